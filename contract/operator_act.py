"""Defines the act of an operator: what a person has done to runs, jobs and dead letters. Pure.

The console publishes each act to the topic `scrape-operator`, and the ledger's table operator_log keeps it.
An act changes nothing by itself, with one exception: the ledger counts a job as dropped because of its act.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contract.dead_letter import MAX_ATTRIBUTE_VALUE_BYTES
from contract.faults import UnreadableOperatorAct, parse_json_object
from contract.job import JobId

MAX_OPERATOR_ACT_BYTES = 64 * 1024
MAX_TEXT_CHARACTERS = 4096  #: maximum number of characters of `selection` and of `detail`

#: Ids of messages that are no jobs may be any texts that an attribute can have.
AttributeValue = Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTE_VALUE_BYTES)]


class Act(StrEnum):
    """What an operator did."""

    CANCEL = "cancel"  #: a run: no further page of it is requested
    PAUSE = "pause"  #: a run, a host or all: no page is requested until it is resumed
    RESUME = "resume"  #: what was paused
    REPLAY = "replay"  #: dead letters: published as the same jobs again
    REPLACE = "replace"  #: jobs: each is replaced by a job for the same page with another recipe
    DROP = "drop"  #: dead letters: removed without a replay; there is also one act for each job


class OperatorAct(BaseModel):
    """An act of an operator.

    Attributes:
        version: version of the format.
        act_id: 32 hex digits; all acts of one command have the same id.
        acted_at: when the command was given, with a time zone.
        operator: who gave it: an account or `user@machine`.
        act: what was done.
        run_id: the run that it concerns; None if it concerns several runs.
        job_id: the job that is dropped, as the attributes of its dead letter name it; None for an act that
            concerns more than one job.
        dead_letter: message id of the dead letter that is dropped; None for an act that concerns several.
        host: the host that is paused or resumed; `""` if it concerns no single host.
        selection: the filter that chose the jobs or dead letters, as the operator wrote it.
        jobs: number of jobs or dead letters; None if the number is not known.
        detail: a sentence for people, or what is needed to undo the act.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    act_id: JobId
    acted_at: AwareDatetime
    operator: Annotated[str, Field(min_length=1, max_length=256)]
    act: Act
    run_id: AttributeValue | None = None
    job_id: AttributeValue | None = None
    dead_letter: AttributeValue | None = None
    host: Annotated[str, Field(max_length=253)] = ""
    selection: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)] = ""
    jobs: Annotated[int | None, Field(ge=0)] = None
    detail: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)] = ""

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON; values that are not known are left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode message data.

        Raises:
            UnreadableOperatorAct: the data is not a valid act; the exception has the data and all faults.
        """
        document = parse_json_object(
            data, UnreadableOperatorAct, max_bytes=MAX_OPERATOR_ACT_BYTES, kind="operator act"
        )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise UnreadableOperatorAct.from_validation(data, error) from None

    def attributes(self) -> dict[str, str]:
        """Return the message attributes, by which a subscription can filter."""
        attributes = {
            "act": self.act.value,
            "act_id": self.act_id,
            "run_id": self.run_id or "",
            "job_id": self.job_id or "",
        }
        return {name: value for name, value in attributes.items() if value}
