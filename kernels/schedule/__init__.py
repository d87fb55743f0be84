"""From a kernel of a fused graph to a loop nest."""

from weft.kernels.schedule.schedule import Scheduled, schedule, schedule_rows

__all__ = ["Scheduled", "schedule", "schedule_rows"]
