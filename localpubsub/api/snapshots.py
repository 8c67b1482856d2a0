"""Implements the methods of google.pubsub.v1.Subscriber for snapshots and seek."""

from collections.abc import Mapping

from localpubsub.api.paging import list_project_page
from localpubsub.broker.broker import Broker
from localpubsub.broker.seek import SubscriptionSeeker
from localpubsub.protocol.calls import Context, Method
from localpubsub.protocol.messages import (
    CreateSnapshotRequest,
    DeleteSnapshotRequest,
    Empty,
    GetSnapshotRequest,
    ListSnapshotsRequest,
    ListSnapshotsResponse,
    RequestPb,
    ResponsePb,
    SeekRequest,
    SeekResponse,
    UpdateSnapshotRequest,
)


class SnapshotMethods:
    """The methods for snapshots and seek; each may raise RequestRejected or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._snapshots = broker.snapshots
        self._seeks = SubscriptionSeeker(broker)

    def methods(self) -> Mapping[str, Method]:
        """Return ``{name: Method}``."""
        return {
            "CreateSnapshot": Method(CreateSnapshotRequest, self.create_snapshot),
            "GetSnapshot": Method(GetSnapshotRequest, self.get_snapshot),
            "ListSnapshots": Method(ListSnapshotsRequest, self.list_snapshots),
            "UpdateSnapshot": Method(UpdateSnapshotRequest, self.update_snapshot),
            "DeleteSnapshot": Method(DeleteSnapshotRequest, self.delete_snapshot),
            "Seek": Method(SeekRequest, self.seek),
        }

    async def create_snapshot(self, request: RequestPb, _: Context) -> ResponsePb:
        """Create a snapshot; return once it is on disk."""
        snapshot = await self._snapshots.create(request)
        return snapshot.resource

    async def get_snapshot(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return one snapshot by name."""
        return self._snapshots.snapshot(request.snapshot).resource

    async def list_snapshots(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the snapshots of a project, sorted by name."""
        snapshots = self._snapshots.snapshots
        found, token = list_project_page(snapshots, request.project, request.page_size, request.page_token)
        resources = [snapshots[name].resource for name in found]
        return ListSnapshotsResponse(snapshots=resources, next_page_token=token)

    async def update_snapshot(self, request: RequestPb, _: Context) -> ResponsePb:
        """Change the fields that the update mask names."""
        snapshot = await self._snapshots.update(request.snapshot, request.update_mask)
        return snapshot.resource

    async def delete_snapshot(self, request: RequestPb, _: Context) -> ResponsePb:
        """Delete a snapshot, with the messages that only it retained."""
        await self._snapshots.delete(request.snapshot)
        return Empty()

    async def seek(self, request: RequestPb, _: Context) -> ResponsePb:
        """Seek to a time or a snapshot: see broker/seek.py."""
        await self._seeks.seek(request)
        return SeekResponse()
