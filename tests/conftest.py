"""What holds for every test."""

import os

from hypothesis import settings

# No property is timed. CI asks the same questions every time; whoever works on the code asks new ones.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
