"""python -m unittest load_balancer_test: the form of events and answers of Lambda targets, by AWS's page."""

import base64
import json
import unittest

from load_balancer import BETWEEN_VALUES, answer_of, event_of, log


def event(headers: dict, body: bytes = b"", query: str = "", many_valued: bool = True) -> dict:
    return event_of("arn:group", "post", "/a%20b", headers, body, query, many_valued)


class EventOf(unittest.TestCase):
    def test_text_comes_as_text_and_all_else_in_base64(self):
        for kind, is_text in (("application/json; charset=utf-8", True), ("text/plain", True), ("application/xml", True),
                              ("application/x-www-form-urlencoded", False), ("image/png", False)):
            made = event({"content-type": kind}, "ä".encode())
            self.assertEqual(made["isBase64Encoded"], not is_text, kind)
            self.assertEqual(made["body"], "ä" if is_text else base64.b64encode("ä".encode()).decode())

    def test_an_encoded_body_comes_in_base64(self):
        self.assertTrue(event({"content-type": "application/json", "content-encoding": "gzip"}, b"\x1f\x8b")["isBase64Encoded"])

    def test_parameters_come_as_they_were_sent_in_one_form_only(self):
        made = event({"a": "1"}, query="q=a%20b&q=c&empty")
        self.assertEqual(made["multiValueQueryStringParameters"], {"q": ["a%20b", "c"], "empty": [""]})
        self.assertNotIn("headers", made)
        single = event({"a": "1"}, query="q=a%20b&q=c", many_valued=False)
        self.assertEqual(single["queryStringParameters"], {"q": "c"})
        self.assertNotIn("multiValueHeaders", single)

    def test_a_header_that_came_twice_has_both_values_or_the_last(self):
        twice = {"cookie": BETWEEN_VALUES.join(("a=1", "b=2")), "host": "x"}
        self.assertEqual(event(twice)["multiValueHeaders"], {"cookie": ["a=1", "b=2"], "host": ["x"]})
        self.assertEqual(event(twice, many_valued=False)["headers"], {"cookie": "b=2", "host": "x"})


class AnswerOf(unittest.TestCase):
    def setUp(self):
        # What is refused is told, which says nothing here.
        log.disabled = True
        self.addCleanup(setattr, log, "disabled", False)

    def test_reads_the_form_that_is_switched_on_alone(self):
        answer = {"statusCode": 200, "headers": {"a": "1"}, "multiValueHeaders": {"b": ["2", "3"]}, "body": "x"}
        self.assertEqual(answer_of(answer, True), (200, {"b": ["2", "3"]}, b"x"))
        self.assertEqual(answer_of(answer, False), (200, {"a": "1"}, b"x"))

    def test_refuses_what_is_no_answer_or_too_large(self):
        for answer in (None, "text", {}, {"statusCode": "200"}, {"statusCode": 200, "body": "x" * 1024 * 1024}):
            self.assertEqual(answer_of(answer, True)[0], 502, json.dumps(answer)[:40])


if __name__ == "__main__":
    unittest.main()
