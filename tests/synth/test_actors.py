import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsc.synth.actors import Walker


@given(st.floats(-0.15, 0.15), st.floats(0, 10))
def test_a_walker_can_be_drawn_at_any_pace_of_coming_or_going(growth: float, t_s: float) -> None:
    dull = (90, 90, 90)
    walker = Walker(300.0, 0.0, 80.0, growth, dull, dull, dull, 1.0, 0.0)
    picture = np.zeros((360, 640, 3), np.uint8)
    walker.show(picture, t_s, 150.0)
    assert picture.any()
