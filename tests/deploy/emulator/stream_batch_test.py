"""python -m unittest stream_batch_test: each rule of stream_batch, with a function that is played."""

import unittest

from stream_batch import Answered, Discard, Failed, Ports, Settings, Throttled, Unwanted, next_batch, run_batch


def record(number: int, arrival: float = 1000.0, data: str = "") -> dict:
    return {"kinesis": {"sequenceNumber": f"49{number:054d}", "approximateArrivalTimestamp": arrival, "data": data}}


def numbers(records: list) -> list:
    return [int(each["kinesis"]["sequenceNumber"][2:]) for each in records]


def failures(*failed: int) -> Answered:
    return Answered({"batchItemFailures": [{"itemIdentifier": record(number)["kinesis"]["sequenceNumber"]} for number in failed]})


class Played:
    """A function, a clock and a place for what is discarded."""

    def __init__(self, function):
        self.function = function
        self.invoked: list = []
        self.discarded: list[Discard] = []
        self.clock = 1000.0

    def ports(self) -> Ports:
        def invoke(records):
            self.invoked.append(numbers(records))
            return self.function(numbers(records), len(self.invoked))

        def wait(seconds):
            self.clock += seconds

        return Ports(invoke, self.discarded.append, lambda: self.clock, wait)

    def run(self, settings: Settings, count: int = 4) -> "Played":
        run_batch(settings, [record(number) for number in range(1, count + 1)], self.ports())
        return self


class RunBatch(unittest.TestCase):
    def test_a_good_batch_is_invoked_once(self):
        played = Played(lambda batch, time: Answered(None)).run(Settings(partial_answers=True))
        self.assertEqual(played.invoked, [[1, 2, 3, 4]])

    def test_a_failed_batch_is_sent_again_whole_and_without_end(self):
        played = Played(lambda batch, time: Failed() if time < 20 else Answered()).run(Settings())
        self.assertEqual(played.invoked, [[1, 2, 3, 4]] * 20)
        self.assertEqual(played.discarded, [])

    def test_bisecting_isolates_the_record_that_crashes(self):
        crash = lambda batch, time: Failed() if 3 in batch else Answered()
        played = Played(crash).run(Settings(bisect=True, retries_max=2))
        self.assertEqual(played.invoked, [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [3], [4]])
        self.assertEqual([numbers(each.records) for each in played.discarded], [[3]])
        self.assertEqual(played.discarded[0].condition, "RetryAttemptsExhausted")
        self.assertEqual(played.discarded[0].invocations, 5)

    def test_splitting_uses_up_no_retry(self):
        crash = lambda batch, time: Failed() if 3 in batch else Answered()
        played = Played(crash).run(Settings(bisect=True, retries_max=0))
        self.assertEqual([numbers(each.records) for each in played.discarded], [[3]])

    def test_a_partial_answer_sends_again_all_from_the_lowest_sequence_number_on(self):
        played = Played(lambda batch, time: failures(4, 2) if time == 1 else Answered({"batchItemFailures": []}))
        played.run(Settings(partial_answers=True))
        self.assertEqual(played.invoked, [[1, 2, 3, 4], [2, 3, 4]])

    def test_a_partial_answer_splits_at_the_returned_sequence_number_and_not_in_halves(self):
        played = Played(lambda batch, time: failures(2) if time == 1 else Answered())
        played.run(Settings(partial_answers=True, bisect=True, retries_max=0))
        self.assertEqual(played.invoked, [[1, 2, 3, 4], [2, 3, 4]])
        self.assertEqual(played.discarded, [])

    def test_a_partial_answer_is_not_read_when_it_was_not_asked_for(self):
        played = Played(lambda batch, time: failures(1)).run(Settings())
        self.assertEqual(played.invoked, [[1, 2, 3, 4]])

    def test_answers_that_mean_success(self):
        for body in (None, "", {}, {"batchItemFailures": []}, {"batchItemFailures": None}):
            played = Played(lambda batch, time: Answered(body)).run(Settings(partial_answers=True))
            self.assertEqual(len(played.invoked), 1, body)

    def test_answers_that_mean_that_all_failed(self):
        for item in ({"itemIdentifier": ""}, {"itemIdentifier": None}, {"identifier": "1"}, {"itemIdentifier": "7"}):
            answer = Answered({"batchItemFailures": [item]})
            played = Played(lambda batch, time: answer if time == 1 else Answered()).run(Settings(partial_answers=True))
            self.assertEqual(played.invoked, [[1, 2, 3, 4]] * 2, item)

    def test_a_throttled_invocation_uses_up_no_retry(self):
        played = Played(lambda batch, time: Throttled() if time < 5 else Answered()).run(Settings(retries_max=0))
        self.assertEqual(len(played.invoked), 5)
        self.assertEqual(played.discarded, [])

    def test_records_that_are_too_old_are_discarded(self):
        played = Played(lambda batch, time: Failed()).run(Settings(record_age_seconds_max=10))
        self.assertEqual([numbers(each.records) for each in played.discarded], [[1, 2, 3, 4]])
        self.assertEqual(played.discarded[0].condition, "RecordAgeExceeded")
        self.assertGreater(len(played.invoked), 3)

    def test_nothing_is_given_up_when_the_mapping_is_deleted(self):
        played = Played(lambda batch, time: Failed())
        ports = played.ports()
        ports.wanted = lambda: len(played.invoked) < 3
        with self.assertRaises(Unwanted):
            run_batch(Settings(), [record(1)], ports)
        self.assertEqual(played.discarded, [])


class NextBatch(unittest.TestCase):
    def test_takes_no_more_than_the_batch_size(self):
        batch, full = next_batch([record(number) for number in range(9)], Settings(batch_size=4))
        self.assertEqual((len(batch), full), (4, True))

    def test_is_not_full_while_it_may_wait_for_more(self):
        self.assertEqual(next_batch([record(1)], Settings(batch_size=4, window_seconds=5))[1], False)

    def test_is_full_at_six_megabytes(self):
        large = [record(number, data="x" * 1_300_000) for number in range(9)]
        batch, full = next_batch(large, Settings(batch_size=100, window_seconds=5))
        self.assertEqual((len(batch), full), (4, True))


if __name__ == "__main__":
    unittest.main()
