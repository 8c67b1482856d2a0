"""Tests the format of date and time in the names of files of Cloud Storage subscriptions."""

from datetime import UTC, datetime

import pytest

from localpubsub.errors import InvalidArgument
from localpubsub.exports.bucket_file import file_name
from localpubsub.protocol.messages import CloudStorageConfig, Subscription
from localpubsub.resources.subscription import complete

MOMENT = datetime(2023, 9, 25, 4, 10, 7, tzinfo=UTC)

#: Format → what the name contains between prefix and suffix.
NAMES = {
    "": "2023-09-25T04:10:07+00:00_UNIQUE",
    "YYYY-MM-DD/hh_mm_ssZ": "2023-09-25/04_10_07Z_UNIQUE",
    "YYYY-MM-DDThh:mm:ss+00:00": "2023-09-25T04:10:07+00:00_UNIQUE",
    "YYYY-MM-DDThh_mm_ss-": "2023-09-25T04_10_07-UNIQUE",
    "YYYY/MM/DD/hh/mm/ss/": "2023/09/25/04/10/07/UNIQUE",
    "YYYYMMDDThhmmss": "20230925T041007_UNIQUE",
    "YYMMDDhhmmss__": "230925041007__UNIQUE",
    "ss:mm:hh-DD/MM_YY": "07:10:04-25/09_23_UNIQUE",
    "YYYY+00:00MMDDhhmmss": "2023+00:000925041007_UNIQUE",
}


def created(datetime_format: str) -> CloudStorageConfig:
    """Return the checked configuration of a subscription with this format."""
    resource = Subscription(name="projects/p/subscriptions/sss", topic="projects/p/topics/ttt")
    config = resource.cloud_storage_config
    config.bucket, config.filename_prefix, config.filename_suffix = "bucket", "prod_", ".txt"
    config.max_duration.seconds, resource.ack_deadline_seconds = 60, 60
    config.filename_datetime_format = datetime_format
    return complete(resource).cloud_storage_config


@pytest.mark.parametrize("datetime_format", NAMES)
def test_file_name_follows_a_documented_format(datetime_format: str) -> None:
    """Every documented format is accepted; a last character that is no matcher replaces the separator."""
    name = file_name(created(datetime_format), MOMENT.timestamp(), "UNIQUE")
    assert name == f"prod_{NAMES[datetime_format]}.txt"


@pytest.mark.parametrize(
    "datetime_format",
    [
        "YYYY",
        "YY-YYYY-MM-DDhhmmss",
        "YYYY-MMM-DDhhmmss",
        "YYYYYY-MM-DDhhmmss",
        "YYYY-MM-DDThhTmmss",
        "YYYY-MM-DDhhmmssZZ",
        "YYYY-MM-DDhhmmssZ+00:00",
        "YYYY-MM-DDhhmmss+01:00",
        "YYYY-MM-DD hhmmss",
        "YYYY-MM-DDhhmmss%Y",
        "YYYY-MM-DDhhmmss\n",
        "-_:/",
    ],
)
def test_undocumented_format_is_rejected_with_invalid_argument(datetime_format: str) -> None:
    """A format with a part that is missing or occurs twice, or with another character, is rejected."""
    with pytest.raises(InvalidArgument, match="filename_datetime_format"):
        created(datetime_format)
