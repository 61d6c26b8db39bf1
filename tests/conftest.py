"""Property tests: the same examples on every run, and no deadline, since a busy machine proves nothing."""

from hypothesis import settings

settings.register_profile("dealbridge", deadline=None, derandomize=True)
settings.load_profile("dealbridge")
