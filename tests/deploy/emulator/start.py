"""ministack with our additions. Prints the port of control.py as {"control": 1234}; see ../emulator.ts for the environment."""

import json

import control
import keys
import kinesis_mapping
import load_balancer
import resource_types

if __name__ == "__main__":
    resource_types.install()
    load_balancer.install()
    kinesis_mapping.install()
    keys.install()
    control.backlog = kinesis_mapping.backlog
    print(json.dumps({"control": control.install()}), flush=True)
    from ministack import app

    # It would listen on 443 too, wherever it may.
    app._port_is_bindable = lambda *_: False
    app.main()
