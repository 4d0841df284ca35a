#!/usr/bin/env node
'use strict';

// Any Node from 12 on can read this file, so that one too old for the program says so, and does not fail at its syntax.
const needed = 24;
if (Number(process.versions.node.split('.')[0]) < needed) {
  process.stderr.write(`clickstream needs Node ${needed} or newer; this is ${process.version} (${process.execPath})\n`);
  process.exitCode = 2;
} else {
  // A checkout has the source. The package has JavaScript alone, for Node reads no TypeScript under node_modules.
  // biome-ignore lint/style/useNodejsImportProtocol: Node 12 knows no "node:" before a module's name.
  const checkout = require('fs').existsSync(`${__dirname}/../src/main/cli.ts`);
  import(checkout ? '../src/main/cli.ts' : '../dist/main/cli.js');
}
