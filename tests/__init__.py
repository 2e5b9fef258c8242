"""What the package promises."""

from hypothesis import settings

# On a busy machine an example may take long through no fault of ours.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
