"""The studies of `shallow-vit`."""

from verify.systems.shallow_vit.studies.attention import ATTENTION
from verify.systems.shallow_vit.studies.drive import DRIVE
from verify.systems.shallow_vit.studies.effects import INITIAL_ERROR, SPARSIFICATION, TOKEN_NOISE
from verify.systems.shallow_vit.studies.iteration_law import ITERATION_LAW
from verify.systems.shallow_vit.studies.iterations import ITERATIONS
from verify.systems.shallow_vit.studies.sample_complexity import SAMPLE_COMPLEXITY

STUDIES = [
    SAMPLE_COMPLEXITY,
    DRIVE,
    ITERATIONS,
    ITERATION_LAW,
    ATTENTION,
    TOKEN_NOISE,
    INITIAL_ERROR,
    SPARSIFICATION,
]
