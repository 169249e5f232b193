"""The studies of `benign-vit`."""

from verify.systems.benign_vit.studies.boundary import PHASE_BOUNDARY
from verify.systems.benign_vit.studies.concentration import CONCENTRATION
from verify.systems.benign_vit.studies.diagram import PHASE_DIAGRAM
from verify.systems.benign_vit.studies.frontier import FRONTIER
from verify.systems.benign_vit.studies.initialization import INITIALIZATION
from verify.systems.benign_vit.studies.regime import REGIME
from verify.systems.benign_vit.studies.scaling import SCALING

STUDIES = [PHASE_DIAGRAM, PHASE_BOUNDARY, REGIME, CONCENTRATION, SCALING, FRONTIER, INITIALIZATION]
