"""What tasks cost on this machine, measured and reported."""

from edgediff.bench.bench import bench
from edgediff.bench.plan import QUICK, THOROUGH, Effort, Plan, make_plan

__all__ = ["QUICK", "THOROUGH", "Effort", "Plan", "bench", "make_plan"]
