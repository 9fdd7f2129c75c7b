"""Settings of all tests."""

import os

from hypothesis import settings

# The gate draws the same examples every time, on machines of any speed; HYPOTHESIS_PROFILE=explore
# draws new ones.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
