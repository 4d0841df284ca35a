"""python -m unittest load_balancer_listeners_test: what a listener is refused for, and how a rule reads a method."""

import ssl
import unittest

from load_balancer_listeners import check_actions, check_listener, has_method, lowest_tls
from ministack.services import acm


def fixed(**changes) -> list:
    return [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403", "MessageBody": "no", **changes}}]


def redirect(**changes) -> list:
    return [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Protocol": "HTTPS", **changes}}]


class Conditions(unittest.TestCase):
    def test_a_method_is_met_in_its_case_and_without_wildcards(self):
        self.assertTrue(has_method(["GET", "HEAD"], "HEAD"))
        for method in ("POST", "get", "*", "GE"):
            self.assertFalse(has_method(["GET", "HEAD"], method), method)
        self.assertFalse(has_method(["*"], "GET"))


class Listeners(unittest.TestCase):
    def test_https_needs_one_certificate_that_is_there_and_a_known_policy(self):
        arn = "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555"
        acm._certificates[arn] = {"CertificateArn": arn}
        self.addCleanup(acm._certificates.pop, arn)
        policy = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
        good = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": arn}], "SslPolicy": policy}
        check_listener(good)
        missing = arn.replace("11111111", "99999999")
        for wrong in ({"Certificates": []}, {"Certificates": [{"CertificateArn": missing}]},
                      {"SslPolicy": "ELBSecurityPolicy-2016-08"}, {"Protocol": "HTTP"}):
            with self.assertRaises(ValueError, msg=wrong):
                check_listener({**good, **wrong})

    def test_the_policy_says_the_lowest_version(self):
        self.assertEqual(lowest_tls("ELBSecurityPolicy-TLS13-1-2-Res-2021-06"), ssl.TLSVersion.TLSv1_2)
        self.assertEqual(lowest_tls("ELBSecurityPolicy-TLS13-1-3-2021-06"), ssl.TLSVersion.TLSv1_3)


class Actions(unittest.TestCase):
    def test_what_is_allowed(self):
        check_actions(fixed() + redirect() + fixed(ContentType="application/json", MessageBody="x" * 1024))

    def test_what_is_refused(self):
        for wrong in (fixed(StatusCode="301"), fixed(MessageBody="x" * 1025), fixed(ContentType="image/png"),
                      redirect(StatusCode="HTTP_307"), redirect(Protocol=None)):
            with self.assertRaises(ValueError, msg=wrong):
                check_actions(wrong)


if __name__ == "__main__":
    unittest.main()
