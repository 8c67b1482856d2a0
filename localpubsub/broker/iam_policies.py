"""Stores and returns the IAM policies of all kinds of resources; they are not enforced."""

from hashlib import blake2b
from typing import Final

from localpubsub.errors import Aborted
from localpubsub.protocol.iam import Policy, PolicyPb
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store

#: Etag of a policy that was never set; Google Cloud uses the same (``ACAB`` in base64).
_UNSET: Final = b"\x00\x20\x01"


class IamPolicies:
    """The IAM policies of all resources, by number; the number of a schema is that of its oldest revision."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._policies: dict[int, PolicyPb] = {}

    def load(self, store: Store) -> None:
        """Read all policies from the store, before the server serves."""
        rows = store.query(
            lambda connection: connection.execute("SELECT number, policy FROM policy").fetchall()
        )
        self._policies = {number: Policy.FromString(encoded) for number, encoded in rows}

    def get(self, number: int) -> PolicyPb:
        """Return the policy of a resource, or an empty one with an etag if it was never set."""
        return self._policies.get(number) or Policy(etag=_UNSET)

    async def set(self, number: int, given: PolicyPb) -> PolicyPb:
        """Replace the policy of a resource, and return it with its new etag.

        Raises:
            Aborted: ``given`` has an etag that is not the current one.
            StoreFailure: nothing was changed.
        """
        before = self._policies.get(number)
        if given.etag and given.etag != self.get(number).etag:
            raise Aborted(
                "There were concurrent policy changes. Please retry the whole read-modify-write with "
                "exponential backoff."
            )
        policy = Policy()
        policy.CopyFrom(given)
        policy.etag = blake2b(self.get(number).etag + given.SerializeToString(), digest_size=8).digest()
        self._policies[number] = policy
        statement = "INSERT OR REPLACE INTO policy VALUES (?, ?)"
        self._journal.next.resources.append((statement, (number, policy.SerializeToString())))

        def undo() -> None:
            self._policies.pop(number)
            if before is not None:
                self._policies[number] = before

        await self._journal.commit_or(undo)
        return policy

    def move(self, before: int, after: int) -> None:
        """Move a policy, with the next transaction, to the number that its resource has from now on.

        If that number has a policy already, nothing is moved.
        """
        if before not in self._policies or after in self._policies:
            return
        self._policies[after] = self._policies.pop(before)
        statement = "UPDATE policy SET number = ? WHERE number = ?"
        self._journal.next.resources.append((statement, (after, before)))

        def undo() -> None:
            self._policies[before] = self._policies.pop(after)

        self._journal.next.undo.append(undo)
