"""Small instances of `benign-vit` wherever a property asks for one."""

from hypothesis import strategies as st

from verify.strategies import instances
from verify.systems.benign_vit.instance import Instance

st.register_type_strategy(Instance, instances("benign-vit"))
