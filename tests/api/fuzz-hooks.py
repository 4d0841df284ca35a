"""Schemathesis does not know how a body of NDJSON is written: as text."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
