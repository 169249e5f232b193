import pytest
import sympy
from sympy import Abs, Max

from proofs.language import (
    Claim,
    Event,
    Expm1,
    Index,
    IndexSet,
    Largest,
    Log1p,
    Logistic,
    Observable,
    Recurrence,
    Size,
    Softmax,
    Softplus,
    Total,
    accumulated,
    after,
    at_event,
    at_start,
    change,
    define,
    nodes,
)
from proofs.language.definitions import observables_behind, observables_needed


def test_no_sign_is_told_to_sympy(names):
    """A violation of positivity must stay visible: Abs and Max must not vanish."""
    for expression in (
        names.derivative[names.n],
        names.N,
        Total(names.attention[names.n, names.j], names.j),
        names.loss,
    ):
        assert expression.is_real
        assert expression.is_nonnegative is None
        assert Abs(expression) != expression
        assert Max(expression, 0) != expression


def test_observables_are_known_by_declaration_not_by_name():
    one, other = Observable("twin", words="one"), Observable("twin", words="other")
    assert one != other
    assert (one - other) != 0


def test_an_observable_is_no_sequence(names):
    with pytest.raises(TypeError):
        iter(names.output)


def test_free_indices(names):
    n, m, j = names.n, names.m, names.j
    total = Total(names.attention[n, j] * names.output[m], n)
    assert nodes.free_indices(total) == {m, j}
    assert nodes.free_indices(Softmax(names.attention[n, j], j)) == {n, j}
    assert nodes.free_indices(Largest(names.attention[n, j], n, j)) == frozenset()


def test_rebuilding_keeps_every_node(names):
    """sympy takes expressions apart and puts them together again; nothing may be lost."""
    n, m, j = names.n, names.m, names.j
    event = Event("e", Claim(names.loss, "<=", 1), words="w")
    for node in (
        Total(names.output[n], n),
        Largest(names.attention[n, j], n, j, where=names.mask[j], empty=7),
        Softmax(names.attention[n, j], j),
        nodes.Same(n, m),
        after(names.loss),
        at_start(names.loss),
        at_event(names.loss, event),
        accumulated(names.loss, since=event),
        accumulated(names.loss),
    ):
        assert node.func(*node.args) == node
        assert node.xreplace({sympy.Symbol("nothing"): sympy.S.One}) == node
        assert hash(node.func(*node.args)) == hash(node)


def test_what_does_not_depend_on_the_step_has_no_after(names):
    assert after(names.N) == names.N
    assert change(names.mask[names.j]) == 0
    assert at_start(at_start(names.loss)) == at_start(names.loss)


def test_sizes_are_known_by_name():
    assert Size(IndexSet("query", size="M")) == Size(IndexSet("key", size="M"))
    assert Size(IndexSet("query", size="M")) != Size(IndexSet("query", size="N"))


def test_index_sets_of_one_size_can_stand_for_each_other():
    query, key = IndexSet("query", size="M"), IndexSet("key", size="M")
    at = Observable("at", key, constant=True, elements_of=key, words="w")
    assert str(at[Index("l", query)]) == "at[l]"
    assert str(at[at[Index("l", query)]]) == "at[at[l]]"


@pytest.mark.parametrize("function", [Logistic, Softplus, Expm1, Log1p])
def test_derivatives(function):
    x = sympy.Symbol("x", real=True)
    plain = {
        Logistic: 1 / (1 + sympy.exp(-x)),
        Softplus: sympy.log(1 + sympy.exp(x)),
        Expm1: sympy.exp(x) - 1,
        Log1p: sympy.log(1 + x),
    }
    ours = function(x).diff(x).replace(Logistic, lambda z: 1 / (1 + sympy.exp(-z)))
    ours = ours.replace(Expm1, lambda z: sympy.exp(z) - 1)
    assert sympy.simplify(ours - plain[function].diff(x)) == 0


def test_definitions_are_followed(names):
    define(names.loss, Total(names.output[names.n], names.n))
    define(names.output[names.n], names.derivative[names.n] ** 2)
    assert observables_behind(names.loss) == {names.loss, names.output, names.derivative}
    assert nodes.on_increments(change(names.loss))
    assert not nodes.on_increments(names.loss)


def test_what_is_needed_follows_definitions_and_recurrences(names):
    growth = Recurrence("growth", words="grows by the loss")
    size = growth.member("size", names.n, start=names.mask[0], words="size")
    growth.updates({size[names.n]: size[names.n] + names.loss})
    define(names.loss, Total(names.derivative[names.n], names.n))
    needed = observables_needed(2 * size[names.m], frozenset())
    assert needed == {names.mask, names.derivative}
    assert observables_needed(2 * size[names.m], frozenset(["loss"])) == {names.mask}
