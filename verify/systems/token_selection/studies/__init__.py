"""The studies of `token-selection`."""

from verify.systems.token_selection.studies.boundary import BOUNDARY
from verify.systems.token_selection.studies.delay import DELAY
from verify.systems.token_selection.studies.label_noise import LABEL_NOISE
from verify.systems.token_selection.studies.regimes import REGIMES
from verify.systems.token_selection.studies.scaling import SCALING
from verify.systems.token_selection.studies.seeds import SEEDS
from verify.systems.token_selection.studies.window import WINDOW

STUDIES = [REGIMES, BOUNDARY, WINDOW, DELAY, LABEL_NOISE, SEEDS, SCALING]
