"""Facts about the logistic function and the softmax that every system uses."""

from sympy import Abs, Rational, exp, oo, tanh

from proofs.language import ByHand, Claim, Derived, Logistic, ScalarInequality, real_variable

z = real_variable("z")
v = real_variable("v")
x = real_variable("x")

HALF = Rational(1, 2)

distance_from_half = ScalarInequality(
    words="The logistic function is half a hyperbolic tangent away from 1/2.",
    variables=(z,),
    claim=Claim(Abs(Logistic(z) - HALF), "==", tanh(Abs(z) / 2) / 2, variables=(z,)),
    source=Derived("docs/statements.md#logistic"),
    proof=ByHand("docs/statements.md#logistic"),
)

quarter_lipschitz = ScalarInequality(
    words="The logistic function moves at most a quarter of its argument away from 1/2.",
    variables=(z,),
    claim=Claim(Abs(Logistic(z) - HALF), "<=", Abs(z) / 4, variables=(z,)),
    source=Derived("docs/statements.md#logistic"),
    proof=ByHand("docs/statements.md#logistic"),
    rests_on=[distance_from_half],
)

tanh_below_identity = ScalarInequality(
    words="The hyperbolic tangent of a nonnegative number is at most the number.",
    variables=(v,),
    domain={v: (0, oo)},
    claim=Claim(tanh(v), "<=", v, variables=(v,)),
    source=Derived("docs/statements.md#logistic"),
    proof=ByHand("docs/statements.md#logistic"),
)

spread_product = ScalarInequality(
    words="A number in [0, 1] times its complement is at most 1/4.",
    variables=(x,),
    claim=Claim(x * (1 - x), "<=", Rational(1, 4), variables=(x,)),
    source=Derived("docs/statements.md#logistic"),
    proof=ByHand("docs/statements.md#logistic"),
)

convexity_of_the_potential = ScalarInequality(
    words="The exponential of a number is at least one more than the number.",
    variables=(z,),
    claim=Claim(1 + z, "<=", exp(z), variables=(z,)),
    source=Derived("docs/statements.md#logistic-growth"),
    proof=ByHand("docs/statements.md#logistic-growth"),
)
