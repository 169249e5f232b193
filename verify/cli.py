"""The command line. Every import that takes time waits until its command runs."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from verify.errors import RequestError, terminal_line

REFUSED = 2
INTERRUPTED = 130
READER_LEFT = 141
"""As other programs end whose output nobody reads any more."""
UsageError: Any = typer.BadParameter.__mro__[1]
"""What the option parser raises for words that make no command; typer does not export it."""

app = typer.Typer(
    name="verify",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A numerical verifier for proofs about how attention is trained.\n\n"
    "Start with: verify list; verify run benign-vit; verify study benign-vit.\n\n"
    "Exit status: 0 nothing checked is violated or refuted; 1 something is; 2 the request itself is wrong.",
)

System = Annotated[str, typer.Argument(metavar="SYSTEM", help="The system, as verify list names it.")]
Preset = Annotated[str | None, typer.Option(help="Start from these named settings [the system's first preset].")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE ...", help="Set fields of the problem, as in --set N=40 SNR=2."),
]
Config = Annotated[Path | None, typer.Option(help="A TOML file; any saved problem.toml is one.")]
Instance = Annotated[Path | None, typer.Option(help="Your own arrays, an .npz file.")]
Engine = Annotated[
    str | None,
    typer.Option(help="auto, reduced (the cheapest exact form), weights, or another of the system's engines [auto]."),
]
Steps = Annotated[int | None, typer.Option(help="Make exactly so many steps and never stop early.")]
Lemmas = Annotated[
    Path | None,
    typer.Option(help="Your own lemmas: a Python file, which is run with your rights.", metavar="MINE.py"),
]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random [0].")]
Numbers = Annotated[
    Path | None,
    typer.Option("--numbering", help="Your paper's numbers of the statements, a TOML file.", metavar="F.toml"),
]
Run = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run, as verify run --out left it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run that the folder holds.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, all else on stderr.")]


@app.command("list")
def list_command() -> None:
    """Systems, their presets and the fields that can be set."""
    from verify.report.text import print_systems

    print_systems()


@app.command("run")
def run_command(
    system: System,
    preset: Preset = None,
    settings: Settings = None,
    config: Config = None,
    instance: Instance = None,
    engine: Engine = None,
    steps: Steps = None,
    seed: Seed = None,
    record_every: Annotated[
        int | None, typer.Option(help="Record every K-th step in place of log-spaced ones.", metavar="K")
    ] = None,
    lemmas: Lemmas = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first violation and keep a replay file.")
    ] = False,
    numbering: Numbers = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a problem exactly as its proof does, and judge every lemma at every step."""
    from verify.io.folder import hold_folder
    from verify.io.request import make_request
    from verify.io.results import json_text
    from verify.io.settings import parse_words
    from verify.report.text import print_run
    from verify.runs import carry_out

    request = make_request(
        system,
        preset=preset,
        settings=parse_words(settings or []),
        config=config,
        instance=instance,
        engine=engine,
        steps=steps,
        seed=seed,
        record_every=record_every,
        lemmas=lemmas,
        numbering=numbering,
    )
    with ExitStack() as held:
        if out is not None:
            held.enter_context(hold_folder(out, force))
        finished = carry_out(request, strict=strict, interrupted=_interruptions(), show_progress=True)
        if out is not None:
            finished.save(out, force=force)
    print_run(finished, stream=sys.stderr if as_json else sys.stdout, saved=out)
    if as_json:
        print(json_text(finished.record()))
    raise typer.Exit(finished.exit_status)


@app.command("certify")
def certify_command(
    system: Annotated[
        str | None,
        typer.Argument(metavar="SYSTEM", help="The system, as verify list names it; a certificate names its own."),
    ] = None,
    preset: Preset = None,
    settings: Settings = None,
    config: Config = None,
    instance: Instance = None,
    engine: Engine = None,
    steps: Steps = None,
    seed: Seed = None,
    lemmas: Lemmas = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="auto|BITS", help="Bits of every number, 53 to 8192 [auto: as many as it takes]."),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verify a certificate again, at another precision.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the certificate; an interrupted run goes on there.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Repeat a run in ball arithmetic: what then holds of the instance is a theorem."""
    from verify.certify.certificate import check_certificate
    from verify.certify.run import Interrupted, bits_of
    from verify.io.results import json_text
    from verify.report.certified import print_certified

    stream = sys.stderr if as_json else sys.stdout
    bits = bits_of(precision)
    try:
        if check is not None:
            others = (system, preset, settings, config, engine, steps, seed, lemmas, out)
            if any(each is not None for each in others):
                raise RequestError(
                    "--check: the certificate names everything else (beside it: --instance, --precision)"
                )
            finished = check_certificate(check, instance, bits, _interruptions(), show_progress=True)
            print_certified(finished, stream, checked=check)
        else:
            from verify.certify.folder import certify_into
            from verify.io.request import make_request
            from verify.io.settings import parse_words

            if system is None:
                raise RequestError("SYSTEM: which one? (verify list names them; --check FILE needs none)")
            request = make_request(
                system,
                preset=preset,
                settings=parse_words(settings or []),
                config=config,
                instance=instance,
                engine=engine,
                steps=steps,
                seed=seed,
                lemmas=lemmas,
            )
            finished = certify_into(out, request, bits, force, _interruptions(), show_progress=True)
            print_certified(finished, stream, saved=out)
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(json_text(finished.record()))
    raise typer.Exit(finished.exit_status)


@app.command("show")
def show_command(
    statement: Annotated[str, typer.Argument(metavar="SYSTEM/LEMMA", help="A statement, as verify run names it.")],
    numbering: Numbers = None,
) -> None:
    """A statement: its formula, where it comes from, what it rests on, how far it is proved.

    With SYSTEM alone: the headline claims of its paper, and the statements that bear on each.
    """
    from verify.report.statement import print_statement

    print_statement(statement, numbering)


@app.command("controls")
def controls_command(
    system: System,
    as_json: Json = False,
) -> None:
    """Plant errors, one at a time: each must be caught."""
    from verify.controls import run_controls
    from verify.io.results import json_text
    from verify.report.controls import print_controls
    from verify.systems.base import find_system

    found = run_controls(find_system(system))
    print_controls(found, stream=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json_text({"system": system, "controls": [control.record() for control in found]}))
    raise typer.Exit(0 if all(control.caught for control in found) else 1)


@app.command("gradients")
def gradients_command(
    system: System,
    preset: Preset = None,
    settings: Settings = None,
    instance: Instance = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(help="Write loss and gradient_<weight> arrays to this .npz file.", metavar="G.npz")
    ] = None,
) -> None:
    """Hand-derived gradients against sympy's derivatives, the complex step and central differences."""
    from verify.gradients import compare_gradients, write_gradients
    from verify.io.request import make_request
    from verify.io.settings import parse_words
    from verify.report.text import print_gradients

    request = make_request(system, preset=preset, settings=parse_words(settings or []), instance=instance, seed=seed)
    table = compare_gradients(request)
    if out is not None:
        write_gradients(table, out)
    print_gradients(table)
    raise typer.Exit(0 if table.agrees else 1)


@app.command("falsify")
def falsify_command(
    statement: Annotated[
        str, typer.Argument(metavar="SYSTEM/LEMMA", help="The statement to be broken; with --necessity a SYSTEM.")
    ],
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="H", help="Drop hypotheses by their numbers (1,3), the stage (stage), or all of them."),
    ] = None,
    necessity: Annotated[
        bool, typer.Option("--necessity", help="Drop every hypothesis of every statement in turn; print a table.")
    ] = False,
    lemmas: Lemmas = None,
    seconds: Annotated[float, typer.Option(help="Seconds to search (of a necessity table: for each row).")] = 60.0,
    shrinking: Annotated[float, typer.Option(help="Seconds to make a counterexample smaller.")] = 12.0,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="Folder that keeps what is found [results/falsify].")] = None,
    as_json: Json = False,
) -> None:
    """Search small instances for a counterexample to a statement.

    Exit status: 0 none was found (which proves nothing), 1 one was, 2 the request is wrong.
    """
    from verify.io.request import LARGEST_SEED, whole_number
    from verify.io.results import json_text

    seed = whole_number("--seed", 0 if seed is None else seed, 0, LARGEST_SEED)
    stream = sys.stderr if as_json else sys.stdout
    if necessity:
        from verify.falsify.necessity import necessity_table, table_lines

        if without or lemmas is not None:
            raise RequestError("--necessity: it drops the hypotheses itself (--without and --lemmas exclude it)")
        rows = necessity_table(statement, seconds, seed, out, show_progress=True)
        print("\n".join(table_lines(statement, rows)), file=stream)
        if as_json:
            print(json_text({"system": statement, "rows": [row.record() for row in rows]}))
        return
    from verify.falsify.run import falsify
    from verify.report.falsify import print_falsified

    found = falsify(statement, without or (), lemmas, seconds, seed, out, True, shrinking)
    print_falsified(found, stream=stream)
    if as_json:
        print(json_text(found.record()))
    raise typer.Exit(found.exit_status)


@app.command("study")
def study_command(
    system: System,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The study; without it, the system's studies are listed.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUES ...",
            help="Set axes, seeds and the question: --set N=4,8 SNR=1..16:20 seeds=5.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="K", help="Processes, one thread each [as many as there are CPUs].")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Measure on a Dask cluster in place of processes.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="F.db", help="File that keeps the cells [results/SYSTEM-....db].")
    ] = None,
    seed: Seed = None,
    export: Annotated[Path | None, typer.Option(metavar="T.csv", help="Write a table, one row a cell.")] = None,
    page: Annotated[Path | None, typer.Option("--report", metavar="P.html", help="Write a page to read.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a family of problems and judge it statistically; goes on where it was stopped."""
    from verify.io.files import check_target, write_whole
    from verify.io.results import json_text
    from verify.io.settings import parse_words
    from verify.report.study import print_studies, print_study
    from verify.studies.export import write_export
    from verify.studies.run import StudyInterrupted, carry_out_study

    if name is None:
        if any((settings, workers, scheduler, store, seed is not None, export, page, as_json)):
            raise RequestError(f"NAME: which study of {system}? (verify study {system} lists them)")
        print_studies(system)
        return
    if export is not None:
        check_target("--export", export)
    if page is not None:
        check_target("--report", page)
    if workers is not None and scheduler is not None:
        raise RequestError("--workers: the scheduler has its own (--workers and --scheduler exclude each other)")
    try:
        finished = carry_out_study(
            system,
            name,
            parse_words(settings or []),
            seed=0 if seed is None else seed,
            workers=workers,
            scheduler=scheduler,
            store=store,
            show_progress=True,
            interrupted=_interruptions(),
        )
    except StudyInterrupted as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    if export is not None:
        write_export(export, [*finished.rows, *finished.failures])
    if page is not None:
        from verify.report.page.study import of_run, study_page

        write_whole("--report", page, study_page(of_run(finished)))
    print_study(finished, stream=sys.stderr if as_json else sys.stdout, exported=export)
    if as_json:
        print(json_text(finished.record()))
    raise typer.Exit(finished.exit_status)


@app.command("table")
def table_command(
    run: Run,
    style: Annotated[str, typer.Option("--format", help="markdown, latex or csv.")] = "markdown",
    numbering: Numbers = None,
) -> None:
    """The verdicts of a saved run as a table, for papers and other programs."""
    from verify.io.saved import load_run
    from verify.report.table import table_text

    saved = load_run(run)
    print(table_text(saved, saved.numbering(numbering), style), end="")


@app.command("figure")
def figure_command(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run, or the store of a study.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The figure; without it, those that there are are listed.")
    ] = None,
    style: Annotated[str, typer.Option("--format", help="pdf, svg or png.")] = "pdf",
    width: Annotated[str, typer.Option(help="column or page, of a journal.")] = "column",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The file to write [beside the source].")] = None,
    x: Annotated[str, typer.Option("--x", help="Of a store: the parameter across.")] = "",
    y: Annotated[str, typer.Option("--y", help="Of a store: the parameter upwards in a heat map.")] = "",
    z: Annotated[str, typer.Option("--z", help="Of a store: the result.")] = "",
) -> None:
    """Figures of a saved run or of a study, for publication."""
    from verify.io.saved import load_run
    from verify.report.cells import read_cells
    from verify.report.figure import sketches, write_figure

    is_store = source.is_file()
    if not is_store and (x or y or z):
        raise RequestError("--x, --y, --z: they are for the store of a study, not for a run")
    drawn = read_cells(source, x, y, z) if is_store else load_run(source)
    if name is None:
        for known, sketch in sketches(drawn).items():
            print(f"{known:<18}{sketch.shows}")
        return
    path = out or (source.parent if is_store else source) / f"{name}.{style}"
    write_figure(drawn, name, path, style, width)
    print(path)


@app.command("compare")
def compare_command(
    first: Run,
    second: Run,
    numbering: Numbers = None,
    as_json: Json = False,
) -> None:
    """Two saved runs side by side: what changed in problem, stages, verdicts and margins.

    Exit status: 1 if the second run violates what the first does not, else 0.
    """
    from verify.compare import compare
    from verify.io.results import json_text
    from verify.io.saved import load_run
    from verify.report.compare import print_comparison

    one, other = load_run(first), load_run(second)
    found = compare(one, other)
    numbers = other.numbering(numbering) or one.numbering(None)
    print_comparison(found, numbers, stream=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json_text(found.record()))
    raise typer.Exit(found.exit_status)


@app.command("report")
def report_command(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run, or the store of a study, F.db.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which study of the store, if several use its cells.")
    ] = None,
    lemmas: Lemmas = None,
    numbering: Numbers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="P.html", help="Where to write [report.html in DIR; F.html beside F.db].")
    ] = None,
) -> None:
    """Write the page of a saved run, or of a study's store, to read in a browser."""
    from verify.io.files import check_target, write_whole
    from verify.io.folder import PAGE

    target = out or (source / PAGE if source.is_dir() else source.with_suffix(".html"))
    check_target("--out", target)
    if source.is_file():
        from verify.report.page.study import of_store, study_page
        from verify.studies.stored import stored_study

        text = study_page(of_store(source, stored_study(source, name)))
    else:
        from verify.io.lemmas import load_lemmas
        from verify.io.saved import load_run
        from verify.report.page.run import run_page, shown
        from verify.systems.base import find_system

        if name is not None:
            raise RequestError.of("NAME", name, "none beside the folder of a run")
        saved = load_run(source)
        own = load_lemmas(lemmas, find_system(saved.system)) if lemmas is not None else ()
        text = run_page(shown(saved, own, numbering))
    write_whole("--out", target, text)
    print(f"page: {target}")


def _interruptions() -> Callable[[], bool]:
    """Whether Ctrl-C was pressed: the run ends after its stretch and keeps what it has; a second one kills it."""
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, on_interrupt)
    return lambda: pressed


def spread_settings(words: list[str]) -> list[str]:
    """Let `--set` take several words: `--set A=1 B=2` becomes `--set A=1 --set B=2`.

    Examples:
        >>> spread_settings(["run", "benign-vit", "--set", "N=4", "M=2", "--json"])
        ['run', 'benign-vit', '--set', 'N=4', '--set', 'M=2', '--json']
    """
    spread: list[str] = []
    inside = False
    for position, word in enumerate(words):
        if inside and position and words[position - 1] != "--set" and "=" in word and not word.startswith("-"):
            spread.append("--set")
        elif word.startswith("-") or "=" not in word:
            inside = word == "--set"
        spread.append(word)
    return spread


def main() -> None:
    """The entry point: one clear line and status 2 where a request is wrong."""
    try:
        words = spread_settings(sys.argv[1:]) or ["--help"]
        _require_text(words)
        status = app(words, prog_name="verify", standalone_mode=False)
        sys.stdout.flush()
    except RequestError as error:
        _refuse(str(error))
    except UsageError as error:
        _refuse(error.format_message())
    except ValueError as error:
        from proofs.language import StatementError

        if not isinstance(error, StatementError):
            raise
        _refuse(str(error))
    except MemoryError:
        _refuse("there is not enough memory for this request")
    except OSError as error:
        _discard_output()
        _refuse(f"{error.filename or 'the output'} cannot be written or read ({error.strerror})")
    except SystemExit:  # the option parser's answer to a reader that has left, whose status means a violation here
        sys.exit(READER_LEFT)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    if status == INTERRUPTED:
        print("verify: interrupted", file=sys.stderr)
    sys.exit(status)


def _require_text(words: list[str]) -> None:
    """Refuse bytes that are no text: what a run leaves, which names its files, could not be written after it.

    Raises:
        RequestError: naming the word.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise RequestError(f"{word}: not a word in UTF-8") from None


def _discard_output() -> None:
    """Nothing more is written: what is left in the buffer would fail once more when the process ends."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lives as long as the process


def _refuse(message: str) -> NoReturn:
    print("verify:", terminal_line(message), file=sys.stderr)
    sys.exit(REFUSED)
