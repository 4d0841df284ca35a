"""ministack with our additions. Prints the port of control.py as {"control": 1234}; see ../emulator.ts for the environment."""

import json

import control
import firehose
import iam_context
import key_conditions
import keys
import kinesis_mapping
import load_balancer
import load_balancer_listeners
import resharding
import resource_types

if __name__ == "__main__":
    resource_types.install()
    load_balancer.install()
    load_balancer_listeners.install()
    kinesis_mapping.install()
    resharding.install()
    firehose.install()
    key_conditions.install()
    keys.install()
    iam_context.install()
    control.backlog = kinesis_mapping.backlog
    control.doors = load_balancer_listeners.doors
    control.deliver = firehose.deliver
    print(json.dumps({"control": control.install()}), flush=True)
    from ministack import app

    # It would listen on 443 too, wherever it may.
    app._port_is_bindable = lambda *_: False
    app.main()
