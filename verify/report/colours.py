"""Colours that readers with any colour vision tell apart (Okabe and Ito), with lines and markers that differ too."""

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "#5F5F5F",
)

SERIES = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, (0, (5, 1, 1, 1, 1, 1))), (SKY, "-"))
"""Colour and dashes of lines that share axes, in their order."""

VERDICTS = {
    "holds": (BLUE, "o"),
    "violated": (VERMILION, "X"),
    "inconclusive": (ORANGE, "s"),
    "hypothesis not met": (GREY, "D"),
}
"""Colour and marker of verdicts."""
