"""Lists of resources: the filters, orders and pages that every List operation has."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlberth_local.errors import ValidationError
from mlberth_local.store.resources import Query, Resource, Resources

_ORDERS = {"Name": "name", "CreationTime": "created", "Status": "status", "LastModifiedTime": "modified"}
_DEFAULT_RESULTS = 10


def list_page(
    resources: Resources,
    kind: str,
    request: Mapping[str, Any],
    member: str,
    summary: Callable[[Resource], dict[str, Any]],
    *,
    descending: bool = True,
    chosen: Callable[[Resource], bool] | None = None,
) -> dict[str, Any]:
    """Return the page of a List operation: its summaries under the name `member`, and NextToken.

    `descending` is the order if the request has none; of some, only those that are `chosen` are listed.
    """
    order = request.get("SortOrder")
    query = Query(
        kind,
        name_contains=request.get("NameContains") or "",
        status=request.get("StatusEquals") or "",
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
        sort_by=_ORDERS[request.get("SortBy") or "CreationTime"],
        descending=order == "Descending" if order else descending,
        limit=request.get("MaxResults") or _DEFAULT_RESULTS,
        after=_read_token(request.get("NextToken")),
    )
    found, after = _chosen(resources, query, chosen) if chosen else resources.list(query)
    page: dict[str, Any] = {member: [summary(resource) for resource in found]}
    return page | {"NextToken": _token(after)} if after else page


def _chosen(
    resources: Resources, query: Query, chosen: Callable[[Resource], bool]
) -> tuple[list[Resource], tuple[Any, str] | None]:
    """Return the first resources that are chosen, as many as a page has; and `after` for the next page."""
    found: list[Resource] = []
    while True:
        page, after = resources.list(query)
        for resource in page:
            if len(found) == query.limit:
                return found, (getattr(found[-1], query.sort_by), found[-1].name)
            found += [resource] if chosen(resource) else []
        if after is None:
            return found, None
        query = replace(query, after=after)


def _token(after: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(after).encode()).decode()


def _read_token(token: str | None) -> tuple[Any, str] | None:
    if not token:
        return None
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError):
        raise ValidationError("The NextToken is not one of an earlier answer.") from None
    return value, str(name)
