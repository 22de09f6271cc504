"""Models that stand in for each other: which of them is asked, and what happens when one fails."""

from ragstone.models.pool.outside import Outside
from ragstone.models.pool.pool import ModelPool
from ragstone.models.pool.roster import Roster
from ragstone.models.pool.state import MemberCheck, MemberState, State

__all__ = ["MemberCheck", "MemberState", "ModelPool", "Outside", "Roster", "State"]
