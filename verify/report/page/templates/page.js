"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const written = (value) => {
    if (value === null || value === undefined) return "–";
    const text = Number.isInteger(value) && Math.abs(value) < 1e6 ? value.toLocaleString("en") : value.toPrecision(4);
    return String(Number(text) === value && text.includes(".") ? value : text).replace("-", "−");
  };

  /* Theme: the system's, unless the reader chose. */
  const theme = one("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const tell = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; tell(); });
  dark.addEventListener("change", tell);
  tell();

  /* Charts: what lies under the pointer, or where the arrow keys have moved. */
  const nearest = (places, at) => {
    let best = -1;
    places.forEach((place, index) => {
      if (place !== null && (best < 0 || Math.abs(place - at) < Math.abs(places[best] - at))) best = index;
    });
    return best;
  };
  const read = (plot, index) => {
    const chart = plot.chart ??= JSON.parse(plot.dataset.lines);
    const line = chart.lines[0];
    if (!line || index < 0) return;
    plot.index = index;
    const at = line.at[index];
    plot.querySelector(".cursor").setAttribute("d", `M${at * 1000},0V1000`);
    const values = chart.lines.filter((each) => each.at.length).map((each) => {
      const here = each === line ? index : nearest(each.at, at);
      const ends = each.low ? ` [${written(each.low[here])}, ${written(each.high[here])}]` : "";
      return `${each.name} ${written(each.y[here])}${ends}`;
    });
    plot.closest(".chart").querySelector(".reading").textContent = `${chart.x} ${written(line.x[index])}: ${values.join("; ")}`;
  };
  const leave = (plot) => {
    plot.querySelector(".cursor").setAttribute("d", "");
    plot.closest(".chart").querySelector(".reading").textContent = "";
  };
  all(".plot").forEach((plot) => {
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const chart = plot.chart ??= JSON.parse(plot.dataset.lines);
      if (chart.lines.length) read(plot, nearest(chart.lines[0].at, (event.clientX - box.left) / box.width));
    });
    plot.addEventListener("pointerleave", () => leave(plot));
    plot.addEventListener("blur", () => leave(plot));
    plot.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[event.key];
      const chart = plot.chart ??= JSON.parse(plot.dataset.lines);
      if (!move || !chart.lines.length) return;
      event.preventDefault();
      const last = chart.lines[0].at.length - 1;
      read(plot, Math.min(last, Math.max(0, (plot.index ?? 0) + move)));
    });
  });

  /* The graph of statements. Its state stands in the fragment: #graph=NAME&depth=2. */
  const graph = one("graph-view");
  if (graph) {
    const edges = JSON.parse(one("edges").textContent);
    const boxes = new Map(all("a[data-name]", graph).map((box) => [box.dataset.name, box]));
    const depth = one("depth");
    const before = new Map(), after = new Map();
    edges.forEach(([from, to]) => {
      before.set(to, [...(before.get(to) ?? []), from]);
      after.set(from, [...(after.get(from) ?? []), to]);
    });
    const reach = (name, neighbours, steps) => {
      const found = new Set([name]);
      let border = [name];
      for (let step = 0; step < steps && border.length; step++) {
        border = border.flatMap((each) => neighbours.get(each) ?? []).filter((each) => !found.has(each));
        border.forEach((each) => found.add(each));
      }
      return found;
    };
    let centre = null;
    const about = one("about-statement");
    const first = about.innerHTML;
    const show = (name) => {
      centre = boxes.has(name) ? name : null;
      const steps = depth.value === "all" ? Infinity : Number(depth.value);
      const near = centre ? new Set([...reach(centre, before, steps), ...reach(centre, after, steps)]) : new Set();
      graph.classList.toggle("focused", centre !== null);
      boxes.forEach((box, each) => {
        box.classList.toggle("near", near.has(each));
        box.classList.toggle("centre", each === centre);
      });
      all(".edge", graph).forEach((edge) => {
        edge.classList.toggle("near", near.has(edge.dataset.from) && near.has(edge.dataset.to));
      });
      if (centre === null) { about.innerHTML = first; return; }
      about.replaceChildren();
      const link = document.createElement("a");
      link.href = `#lemma-${centre}`;
      link.textContent = centre;
      about.append(link, `${boxes.get(centre).getAttribute("aria-label").slice(centre.length)} Press Enter on it again to go to its panel.`);
    };
    const keep = () => {
      const fragment = centre ? `#graph=${encodeURIComponent(centre)}&depth=${depth.value}` : "#graph";
      history.replaceState(null, "", fragment);
    };
    const restore = () => {
      const state = new URLSearchParams(location.hash.slice(1));
      if (!state.has("graph")) { open(); return; }
      if ([...depth.options].some((option) => option.value === state.get("depth"))) depth.value = state.get("depth");
      show(state.get("graph"));
      if (!centre) return;
      one("graph").scrollIntoView({ behavior: "instant" });
      const box = boxes.get(centre).getBBox();
      graph.scrollTo({ left: box.x - graph.clientWidth / 2, top: box.y - graph.clientHeight / 2, behavior: "instant" });
    };
    const open = () => {
      const target = location.hash.length > 1 && one(decodeURIComponent(location.hash.slice(1)));
      for (let group = target && target.closest("details"); group; group = group.parentElement.closest("details")) group.open = true;
      if (target && target.closest("details")) target.scrollIntoView();
    };
    boxes.forEach((box, name) => {
      box.addEventListener("click", (event) => {
        if (centre === name) return;
        event.preventDefault();
        show(name);
        keep();
      });
      box.addEventListener("keydown", (event) => {
        const beside = () => {
          const column = [...boxes].filter(([, each]) => each.dataset.x === box.dataset.x);
          const place = column.findIndex(([each]) => each === name) + (event.key === "ArrowDown" ? 1 : -1);
          return column[place]?.[0];
        };
        const next = { ArrowLeft: () => before.get(name)?.[0], ArrowRight: () => after.get(name)?.[0], ArrowUp: beside, ArrowDown: beside }[event.key];
        if (!next) return;
        event.preventDefault();
        boxes.get(next())?.focus();
      });
    });
    depth.addEventListener("change", () => { show(centre); keep(); });
    const clear = () => { show(null); keep(); };
    one("clear").addEventListener("click", clear);
    graph.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
    addEventListener("hashchange", restore);
    restore();
    addEventListener("beforeprint", () => all("details.group").forEach((group) => { group.open = true; }));
  }

  /* Attention maps under a slider over the recorded steps. */
  const slider = one("attention-step");
  if (slider) {
    const { steps, maps, rows, columns, levels, light, dark, values } = JSON.parse(one("attention-data").textContent);
    const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
    const canvases = all("#attention canvas");
    const draw = () => {
      const at = Number(slider.value), size = rows * columns;
      const step = `step ${steps[at].toLocaleString("en")}`;
      one("attention-at").textContent = step;
      slider.setAttribute("aria-valuetext", step);
      canvases.forEach((canvas, map) => {
        const context = canvas.getContext("2d");
        const image = context.createImageData(columns, rows);
        for (let place = 0; place < size; place++) {
          const share = bytes[(at * maps + map) * size + place] / levels;
          for (let part = 0; part < 3; part++) image.data[4 * place + part] = light[part] + share * (dark[part] - light[part]);
          image.data[4 * place + 3] = 255;
        }
        context.putImageData(image, 0, 0);
      });
    };
    canvases.forEach((canvas, map) => {
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        const column = Math.min(columns - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * columns)));
        const row = Math.min(rows - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * rows)));
        const share = bytes[(Number(slider.value) * maps + map) * rows * columns + row * columns + column] / levels;
        one("attention-reading").textContent =
          `${canvas.dataset.name} ${canvas.dataset.row} ${row}, ${canvas.dataset.column} ${column}: ${share.toFixed(3)}`;
      });
    });
    slider.addEventListener("input", draw);
    draw();
  }
  document.documentElement.dataset.ready = "yes";
})();
