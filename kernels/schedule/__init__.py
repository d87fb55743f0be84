"""From a kernel of a fused graph to a loop nest."""

from weft.kernels.schedule.schedule import Scheduled, schedule

__all__ = ["Scheduled", "schedule"]
