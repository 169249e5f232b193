import pytest
from sympy import Abs

from proofs.language import (
    ALWAYS,
    Claim,
    Derived,
    Event,
    Lemma,
    StatementError,
    accumulated,
    at_event,
    change,
    collect,
)

LEMMA = 'Lemma(words="w", claim=Claim(Abs(output[n]), "<=", loss), source=Derived("x"){})'


class TestRefusals:
    """Every refusal is one line that begins with file and line of the offending statement."""

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('Claim(output[n], "<=", 0.5)', "it holds the float 0.5"),
            ('Claim(output[n] * 0.5, "<=", loss)', "it holds the float 0.5"),
            ('Claim(0.25 + loss, "<=", loss)', "it holds the float 0.25"),
            ('Claim(output[n], "<=", symbols("mystery"))', "symbol mystery is declared nowhere"),
            ('Claim(output[n], "<=", symbols("n", real=True))', "symbol n is declared nowhere"),
            ('Claim(loss, "<=", loss)', "true by assumption alone"),
            ('Claim(loss, "==", loss)', "true by assumption alone"),
            ('Claim(Abs(loss), ">=", 0)', "true by assumption alone"),
            ('Claim(loss, "<", loss + 1)', "true by assumption alone"),
            ('Claim(loss**2, "<", -1)', "false by assumption alone"),
            ('Claim(loss, "=<", 1)', "relation '=<' is none of"),
            (LEMMA.format(', kind="bound"').replace("<=", "O"), "speaks of a family of problems"),
            (LEMMA.format("").replace("<=", "~"), "speaks of a family of problems"),
            (LEMMA.format(', kind="order", given=[Claim(loss, "o", 1)]'), "speaks of a family of problems"),
            ('Claim(output, "<=", loss)', "output needs 1 indices"),
            ('Claim(Abs(output) + 1, "<=", loss)', "output needs 1 indices"),
            ('Claim(loss + n, "<=", 1)', "index n is used as a number"),
            ('Claim(Total(output[n] * n, n), "<=", 1)', "index n is used as a number"),
            ('Claim(sin(loss), "<=", 1)', "sin(loss) is not of this language"),
            ('Claim(Abs(exp(sqrt(loss))), "<=", 9)', "is not of this language"),
            ('Claim(loss, "<=", oo)', "it holds oo"),
            ('Claim(loss, "<=", 1, where=label[n])', "an index that the claim does not have"),
            ('Claim(output[n], "<=", 1, where=output[n])', "must be made of constants"),
            ('Claim(output[n] * output[Index("n", KEY)], "<=", 1)', "it must range over sample"),
            ("output[n, n]", "output has 1 indices, 2 given"),
            ("output[j]", "it must range over sample"),
            ("output[-1]", "it must range over sample"),
            ("output[label[n]]", "it must range over sample"),
            ("Total(output[n], j)", "index j does not occur in it"),
            ("Total(output[n])", "it names no index"),
            ("Total(output[n], 3)", "3 is no index"),
            ("Softmax(output[n], j)", "index j does not occur in it"),
            ("Same(n, 1.5)", "1.5 is no index"),
            ("Same(n, label[n])", "label[n] is no index"),
            ("after(after(loss))", "it already speaks of the next step"),
            ('at_event(change(loss), Event("e", Claim(loss, "<=", 1), words="w"))', "not of an increment"),
            ('at_event(loss, "T1")', "the second argument is an Event"),
            ('Event("e", words="w")', "it has no claim"),
            ('Observable("2x", words="w")', "a name is a letter followed by"),
            ('Observable("a-b", words="w")', "a name is a letter followed by"),
            ('Observable("a", words="w", symbol="<b>")', "a name is a letter followed by"),
            ('Index("é", SAMPLE)', "a name is a letter followed by"),
            ('IndexSet("a b", size="N")', "a name is a letter followed by"),
            ('IndexSet("a", size="")', "a name is a letter followed by"),
            ('Event("", Claim(loss, "<=", 1), words="w")', "a name is a letter followed by"),
            ('Observable("a", words="w", constant=True, state=True)', "either constant or part of the state"),
            ('Observable("a", SAMPLE, words="w", elements_of=KEY)', "only a constant array"),
            ("define(output[n], loss)", "indices [n] on the left, [] on the right"),
            ("define(loss, output[n])", "indices [] on the left, [n] on the right"),
            ("define(output[0], loss)", "one different index for each"),
            ("define(loss, 1 + loss)", "it leads back to itself"),
            ("define(value[n], output[n])", "it is part of the state"),
            ("define(3, loss)", "it is no observable"),
            ("define(label[n], output[n])", "it is constant but its definition is not"),
            ("define(loss, 1); define(loss, 2)", "it has one already"),
            ("update(output[n], output[n] + 1)", "it is not part of the state"),
            ("update(value[n], after(output[n]))", "it speaks of the next step"),
            ("update(value[n], 2 * value[n]); update(value[n], value[n])", "it has one already"),
            ("rounding(loss, loss / 3); rounding(loss, loss)", "it has one already"),
            ('Recurrence("r", words="w").member("x", start=output[n], words="w")', "index n is open"),
            (
                'Recurrence("r", words="w").member("x", start=change(loss), words="w")',
                "speaks of the next step",
            ),
            ('Recurrence("r", words="w").member("x", n, n, start=1, words="w")', "one different index for each"),
            ('Recurrence("r", words="w").member("x", SAMPLE, start=1, words="w")', "one different index for each"),
            (
                'r = Recurrence("r", words="w"); x = r.member("x", n, start=1, words="w"); '
                'r.updates({x[Index("k", SAMPLE)]: 1})',
                "x[n] has none",
            ),
            ('Lemma(words=" ", claim=Claim(loss, "<=", 1), source=Derived("x"))', "it says nothing in words"),
            ('Lemma(words="w", source=Derived("x"))', "it claims nothing"),
            (
                'Lemma(words="w", claim=Claim(loss, "<=", 1), kind="odd", source=Derived("x"))',
                "kind 'odd' is none of",
            ),
            (LEMMA.format(", rests_on=[3]"), "which is no statement"),
            (LEMMA.format(', claims=[Claim(loss, "<=", 1)]'), "claim= and claims= are both given"),
            (
                LEMMA.format(', given=[Claim(Total(output[n], n) + value[Index("k", SAMPLE)], "<=", 1)]'),
                "has index k",
            ),
            (LEMMA.format(', given=[Claim(change(loss), "<=", 1)]'), "speaks of the next step"),
            (LEMMA.format(', given=[Claim(Abs(output[n]), "<=", loss)]'), "is what it claims"),
            (
                'ScalarInequality(words="w", variables=(), claim=Claim(loss, "<=", 1), source=Derived("x"))',
                "no variables",
            ),
            (
                'z = real_variable("z"); ScalarInequality(words="w", variables=(z,), '
                'claim=Claim(z, "<=", loss, variables=(z,)), source=Derived("x"))',
                "not about observables",
            ),
            (
                'z = symbols("z", positive=True); ScalarInequality(words="w", variables=(z,), '
                'claim=Claim(z, "<=", 3, variables=(z,)), source=Derived("x"))',
                "must be declared real and nothing else",
            ),
        ],
    )
    def test_at_import_with_file_and_line(self, write, tmp_path, text, why):
        with pytest.raises(StatementError) as refused:
            write(f"\n{text}\n")
        message = str(refused.value)
        assert why in message
        assert "\n" not in message
        place, _, _ = message.partition(": ")
        file, _, line = place.rpartition(":")
        assert file.startswith(str(tmp_path))
        assert line == "12"

    def test_definitions_in_a_circle(self, write):
        with pytest.raises(StatementError, match=r":14: definition of loss: it leads back to itself"):
            write(
                'other = Observable("other", words="w")\n'
                "define(output[n], other * label[n])\n"
                "define(other, loss + 1)\n"
                "define(loss, Total(output[n], n))\n"
            )

    def test_updates_of_a_recurrence_must_be_complete(self, write):
        begin = 'r = Recurrence("r", words="w"); a, b = (r.member(x, start=1, words=x) for x in ("a", "b"))\n'
        for updates, why in [
            ("{a: b}", "b has none"),
            ("{a: b, b: a, loss: 1}", "loss is not one of its members"),
            ("{a: b, b: output[n]}", "index n is open"),
            ("{a: b, b: change(loss)}", "speaks of the next step"),
        ]:
            with pytest.raises(StatementError, match=f":12: .*{why}"):
                write(f"{begin}r.updates({updates})\n")
        with pytest.raises(StatementError, match=r":13: .*has one already"):
            write(f"{begin}r.updates({{a: b, b: a}})\nr.updates({{a: b, b: a}})\n")


class TestCollect:
    def test_names_are_those_of_variables_with_hyphens(self, write):
        module = write(f"first_bound = {LEMMA.format('')}\nsecond = {LEMMA.format(', rests_on=[first_bound]')}\n")
        found = collect(module)
        assert list(found) == ["first-bound", "second"]
        assert found["second"].rests_on == (found["first-bound"],)
        assert found["first-bound"].module == module.__name__
        assert found["first-bound"].name == "first-bound"

    def test_imported_statements_belong_to_their_own_module(self, write):
        inner = write(f"inner = {LEMMA.format('')}\n")
        outer = write(f"outer = {LEMMA.format('')}\n")
        outer.inner = inner.inner
        assert list(collect(outer)) == ["outer"]

    def test_later_statements_can_be_rested_on_by_name(self, write):
        names = ', rests_on=["second"]'
        module = write(f"first = {LEMMA.format(names)}\nsecond = {LEMMA.format('')}\n")
        assert collect(module)["first"].rests_on == (module.second,)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (f"a = {LEMMA.format(', rests_on=[chr(97)]')}\n", r":11: a: it rests on itself: a -> a"),
            (
                f"a = {LEMMA.format(', rests_on=[chr(98)]')}\nb = {LEMMA.format(', rests_on=[a]')}\n",
                r":11: a: it rests on itself: a -> b -> a",
            ),
            (
                f"a = {LEMMA.format(', rests_on=[chr(98)]')}\n",
                r":11: a: it rests on b, which this module does not have",
            ),
            (f"a = {LEMMA.format('')}\nb = a\n", r":11: b: it is also called a"),
        ],
    )
    def test_refusals_name_the_statement(self, write, text, why):
        with pytest.raises(StatementError, match=why):
            collect(write(text))


class TestLemma:
    def lemma(self, *claims, **options):
        return Lemma(words="w", claims=claims, source=Derived("x"), **options)

    def test_kind_follows_from_the_relations(self, names):
        bound, exact = Claim(names.loss, "<=", 1), Claim(names.loss, "==", 1)
        assert self.lemma(bound, exact).kind == "bound"
        assert self.lemma(exact).kind == "exact"
        assert self.lemma(exact, kind="order").kind == "order"
        assert not self.lemma(kind="law").judged_in_a_run
        assert self.lemma(bound).judged_in_a_run
        assert self.lemma(bound).stage is ALWAYS

    def test_a_claim_knows_its_indices_events_and_whether_it_is_about_increments(self, names):
        event = Event("e", Claim(names.loss, "<=", 1), words="w")
        claim = Claim(names.output[names.n] + names.output[names.m], "<=", accumulated(names.loss, since=event))
        assert [index.name for index in claim.indices] == ["m", "n"]
        assert claim.events == {event}
        assert not claim.on_increments
        assert Claim(change(names.loss), "<=", 1).on_increments
        assert Claim(at_event(names.loss, event), "<=", Abs(names.loss)).events == {event}
