"""python -m unittest firehose_buffer_test: when an object is due, its name and content, and what is refused, by AWS's pages."""

import gzip
import re
import unittest
from calendar import timegm

from firehose_buffer import Buffer, Record, Settings, object_of

ARRIVAL = timegm((2026, 11, 25, 9, 59, 59))


def properties(**changes) -> dict:
    return {
        "DeliveryStreamType": "KinesisStreamAsSource",
        "ExtendedS3DestinationConfiguration": {
            "BucketARN": "arn:aws:s3:::archive",
            "Prefix": "records/!{timestamp:yyyy/MM/dd/HH}/",
            "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
            "CompressionFormat": "GZIP",
            "BufferingHints": {"IntervalInSeconds": "300", "SizeInMBs": "64"},
            "ProcessingConfiguration": {"Enabled": "true", "Processors": [{
                "Type": "AppendDelimiterToRecord",
                "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}]},
            **changes,
        },
    }


class Objects(unittest.TestCase):
    def test_records_are_gzipped_with_a_line_feed_after_each(self):
        _, content = object_of("stream", Settings.of(properties()), [Record(b"a", ARRIVAL), Record(b"b\nc", ARRIVAL)], ARRIVAL)
        self.assertEqual(gzip.decompress(content), b"a\nb\nc\n")

    def test_nothing_lies_between_records_unless_it_was_asked_for(self):
        settings = Settings.of(properties(ProcessingConfiguration={"Enabled": "false"}, CompressionFormat="UNCOMPRESSED"))
        _, content = object_of("stream", settings, [Record(b"a", ARRIVAL), Record(b"b", ARRIVAL)], ARRIVAL)
        self.assertEqual(content, b"ab")

    def test_the_folder_is_the_hour_of_the_oldest_record_and_the_name_the_moment_of_delivery(self):
        records = [Record(b"b", ARRIVAL + 100), Record(b"a", ARRIVAL)]
        key, _ = object_of("stream", Settings.of(properties()), records, ARRIVAL + 301)
        self.assertRegex(key, r"^records/2026/11/25/09/stream-1-2026-11-25-10-05-00-[0-9a-f-]{36}\.gz$")

    def test_without_an_expression_the_hour_follows_the_prefix(self):
        key, _ = object_of("stream", Settings.of(properties(Prefix="all/")), [Record(b"a", ARRIVAL)], ARRIVAL)
        self.assertTrue(re.match(r"all/2026/11/25/09/stream-1-", key), key)


class Buffers(unittest.TestCase):
    def test_an_object_is_due_after_its_interval(self):
        buffer = Buffer(Settings.of(properties()))
        self.assertFalse(buffer.due(10_000))
        buffer.add(Record(b"a", ARRIVAL), 1_000)
        buffer.add(Record(b"a", ARRIVAL), 1_299)
        self.assertEqual([buffer.due(1_299), buffer.due(1_300)], [False, True])

    def test_an_object_is_due_once_it_is_full(self):
        buffer = Buffer(Settings.of(properties(BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 300})))
        buffer.add(Record(b"x" * (1024 * 1024 - 2), ARRIVAL), 1_000)
        self.assertFalse(buffer.due(1_000))
        buffer.add(Record(b"", ARRIVAL), 1_000)
        self.assertTrue(buffer.due(1_000))


class Refused(unittest.TestCase):
    def test_what_firehose_refuses(self):
        for changes in (
            {"ErrorOutputPrefix": ""},
            {"ErrorOutputPrefix": "failed/"},
            {"Prefix": "records/!{firehose:error-output-type}/"},
            {"BufferingHints": {"IntervalInSeconds": 901}},
            {"BufferingHints": {"SizeInMBs": 129}},
            {"CompressionFormat": "Snappy"},
        ):
            with self.assertRaises(ValueError, msg=changes):
                Settings.of(properties(**changes))
        own_encryption = {"DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"}}
        for wrong in ({"DeliveryStreamType": "DirectPut"}, own_encryption):
            with self.assertRaises(ValueError, msg=wrong):
                Settings.of({**properties(), **wrong})


if __name__ == "__main__":
    unittest.main()
