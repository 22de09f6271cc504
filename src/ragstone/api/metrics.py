"""`/metrics`: figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ragstone.bootstrap import House
from ragstone.observe.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The figures."}},
)
async def metrics(request: Request) -> Response:
    """Figures of this process in Prometheus' text format. No tenant, user, question or document is in them."""
    house: House = request.app.state.house
    states = {member.name: member.state.value for member in house.pool.state()}
    return Response(exposition(states), media_type=CONTENT_TYPE)
