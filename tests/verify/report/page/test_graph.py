"""The graph's layout, and who is green, on any graph."""

import itertools
from types import SimpleNamespace
from typing import Any

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from proofs.language.statements import BySymbols
from verify.report.page.graph import BOX_HEIGHT, BOX_WIDTH, laid_out
from verify.report.page.standing import Standing, rests_on_graph, standings
from verify.systems.base import find_system, system_names


@st.composite
def graphs(draw: Any) -> nx.DiGraph:
    size = draw(st.integers(0, 24))
    graph = nx.DiGraph()
    graph.add_nodes_from(f"lemma-{each}" for each in range(size))
    for before, after in itertools.combinations(range(size), 2):
        if draw(st.integers(0, 9)) == 0:
            graph.add_edge(f"lemma-{before}", f"lemma-{after}")
    return graph


@given(graphs())
def test_boxes_do_not_overlap_and_edges_lead_to_the_right(graph: nx.DiGraph) -> None:
    layout = laid_out(graph, {name: Standing("holds", "float") for name in graph}, {})
    places = {box.name: (box.x, box.y) for box in layout.boxes}
    assert set(places) == set(graph)
    for (x, y), (other_x, other_y) in itertools.combinations(places.values(), 2):
        assert abs(x - other_x) >= BOX_WIDTH or abs(y - other_y) >= BOX_HEIGHT
    for before, after in graph.edges:
        assert places[before][0] + BOX_WIDTH < places[after][0]
    for x, y in places.values():
        assert 0 <= x <= layout.width - BOX_WIDTH
        assert 0 <= y <= layout.height - BOX_HEIGHT


@given(graphs(), st.data())
def test_a_statement_is_sound_only_if_all_that_it_rests_on_is(graph: nx.DiGraph, data: st.DataObject) -> None:
    verdicts = {name: data.draw(st.sampled_from(["holds", "violated", "not judged here"])) for name in graph}
    statements: Any = {
        name: SimpleNamespace(name=name, proof=None, rests_on=list(graph.predecessors(name))) for name in graph
    }
    found = standings(statements, {name: (verdict, "float") for name, verdict in verdicts.items()})
    for name in graph:
        assert found[name].sound == all(verdicts[each] == "holds" for each in (name, *nx.ancestors(graph, name)))


def test_a_machines_proof_stands_where_nothing_is_judged() -> None:
    for system in system_names():
        statements = find_system(system).statements()
        for name, each in standings(statements, {}).items():
            assert each.stands == (each.strength == "symbolic"), name
            if isinstance(statements[name].proof, BySymbols):
                assert each.stands


def test_edges_are_what_statements_rest_on() -> None:
    statements = find_system("benign-vit").statements()
    edges = set(rests_on_graph(statements).edges)
    assert ("distance-from-half", "quarter-lipschitz") in edges
    assert len(edges) == sum(len(each.rests_on) for each in statements.values())
