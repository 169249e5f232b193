"""What a step makes of products of weights, proved by sympy for matrices of every size.

A matrix is a symbol that does not commute, its transpose another one; a product is transposed by turning its factors
round. A step adds to `W_K` and `W_Q`, with the step size h and minus the derivative H of the loss by P, and to `W_O`
and `W_V` with minus the derivative K by R:

    W_O + h K W_V^T,    W_V + h W_O^T K,    W_K + h W_Q H^T,    W_Q + h W_K H.

No property of H and K enters, so the identities hold for any loss; a test or a run that uses them must bring its own.
"""

from sympy import Expr, Mul, Pow, Symbol, expand

from proofs.shared.softmax import require_zero

h = Symbol("h", real=True)
_LETTERS = ("O", "V", "K", "Q", "H", "G")
_PLAIN = {name: Symbol(name, commutative=False) for name in _LETTERS}
_TURNED = {name: Symbol(f"{name}^T", commutative=False) for name in _LETTERS}
_OTHER = {_PLAIN[name]: _TURNED[name] for name in _LETTERS} | {_TURNED[name]: _PLAIN[name] for name in _LETTERS}

O, V, K, Q, H, G = (_PLAIN[name] for name in _LETTERS)
"""W_O, W_V, W_K, W_Q, and minus the derivatives of the loss by P (H) and by R (G)."""


def transposed(expression: Expr) -> Expr:
    """Return the transpose of a polynomial in matrices.

    >>> transposed(K * Q)
    Q^T*K^T
    """
    total = 0
    for term in expand(expression).as_ordered_terms():
        numbers, factors = term.args_cnc()
        turned = [Pow(_OTHER[factor.as_base_exp()[0]], factor.as_base_exp()[1]) for factor in reversed(factors)]
        total += Mul(*numbers) * Mul(*turned)
    return total


O_next = O + h * G * transposed(V)
V_next = V + h * transposed(O) * G
K_next = K + h * Q * transposed(H)
Q_next = Q + h * K * H


def prove_closed_recursion() -> bool:
    """Prove the steps of P, `W_K^T W_K`, `W_Q^T W_Q`, R, `W_O W_O^T` and `W_V^T W_V` in terms of themselves, H and G.

    Raises:
        IdentityFails: naming the first product whose step is another one.

    >>> prove_closed_recursion()
    True
    """
    t = transposed
    P, K_2, Q_2 = t(K) * Q, t(K) * K, t(Q) * Q
    R, O_2, V_2 = O * V, O * t(O), t(V) * V
    steps = {
        "P": (t(K_next) * Q_next, P + h * (K_2 * H + H * Q_2) + h**2 * H * t(P) * H),
        "W_K^T W_K": (t(K_next) * K_next, K_2 + h * (H * t(P) + P * t(H)) + h**2 * H * Q_2 * t(H)),
        "W_Q^T W_Q": (t(Q_next) * Q_next, Q_2 + h * (t(P) * H + t(H) * P) + h**2 * t(H) * K_2 * H),
        "R": (O_next * V_next, R + h * (O_2 * G + G * V_2) + h**2 * G * t(R) * G),
        "W_O W_O^T": (O_next * t(O_next), O_2 + h * (G * t(R) + R * t(G)) + h**2 * G * V_2 * t(G)),
        "W_V^T W_V": (t(V_next) * V_next, V_2 + h * (t(R) * G + t(G) * R) + h**2 * t(G) * O_2 * G),
    }
    for name, (stepped, claimed) in steps.items():
        require_zero(name, stepped - claimed)
    return True


def prove_balances() -> bool:
    """Prove that both balances drift by terms in h^2 alone.

    Raises:
        IdentityFails: naming the balance that does not.

    >>> prove_balances()
    True
    """
    t = transposed
    head, value = K * t(K) - Q * t(Q), t(O) * O - V * t(V)
    head_drift = Q * t(H) * H * t(Q) - K * H * t(H) * t(K)
    value_drift = V * t(G) * G * t(V) - t(O) * G * t(G) * O
    head_next, value_next = K_next * t(K_next) - Q_next * t(Q_next), t(O_next) * O_next - V_next * t(V_next)
    require_zero("W_K W_K^T - W_Q W_Q^T", head_next - head - h**2 * head_drift)
    require_zero("W_O^T W_O - W_V W_V^T", value_next - value - h**2 * value_drift)
    return True
