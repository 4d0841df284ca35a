/** A value of a MaxMind DB, as far as the tests need them. */
type Value = string | number | readonly Value[] | { readonly [key: string]: Value };

/** Where a bit leads: to another node, to data at an offset, or nowhere. */
type Branch = { readonly node: number } | { readonly data: number } | undefined;

/**
 * A small database in the MaxMind DB format 2.0 (https://maxmind.github.io/MaxMind-DB/): records by network, such as
 * `203.0.113.0/24`; in one of IPv6, IPv4 lies under `::/96`. Networks must not overlap.
 */
export function countryDatabase(networks: { readonly [network: string]: Value }, ipVersion: 4 | 6 = 6): Buffer {
  const nodes: [Branch, Branch][] = [[undefined, undefined]];
  let data = Buffer.alloc(0);
  for (const [network, record] of Object.entries(networks)) {
    const bits = bitsOf(network, ipVersion);
    let at = 0;
    for (const [depth, bit] of bits.entries()) {
      const node = nodes[at] ?? [undefined, undefined];
      if (depth === bits.length - 1) {
        node[bit] = { data: data.length };
        data = Buffer.concat([data, encode(record)]);
        break;
      }
      const next = node[bit] ?? { node: nodes.push([undefined, undefined]) - 1 };
      if (!('node' in next)) throw new Error(`${network} overlaps another`);
      node[bit] = next;
      at = next.node;
    }
  }
  const tree = Buffer.alloc(nodes.length * 6);
  for (const [index, branch] of nodes.flat().entries()) {
    const to = branch === undefined ? nodes.length : 'node' in branch ? branch.node : nodes.length + 16 + branch.data;
    tree.writeUIntBE(to, index * 3, 3);
  }
  const metadata = encode({
    node_count: nodes.length,
    record_size: 24,
    ip_version: ipVersion,
    database_type: 'Test-Country',
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_760_000_000,
    description: { en: 'for tests' },
  });
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  return Buffer.concat([tree, Buffer.alloc(16), data, marker, metadata]);
}

function bitsOf(network: string, ipVersion: 4 | 6): readonly (0 | 1)[] {
  const [address = '', prefix] = network.split('/');
  const isV4 = !address.includes(':');
  const [head = '', tail = ''] = address.split('::');
  const before = head === '' ? [] : head.split(isV4 ? '.' : ':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>((isV4 ? 4 : 8) - before.length - after.length).fill('0');
  const numbers = [...before, ...zeros, ...after].map((part) => Number.parseInt(part, isV4 ? 10 : 16));
  const digits = numbers.map((number) => number.toString(2).padStart(isV4 ? 8 : 16, '0')).join('');
  const all = (isV4 && ipVersion === 6 ? '0'.repeat(96) : '') + digits.slice(0, Number(prefix));
  return [...all].map((digit) => (digit === '1' ? 1 : 0));
}

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === 'number') {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(value);
    return Buffer.concat([control(6, 4), number]);
  }
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)]);
  const members = Object.entries(value);
  return Buffer.concat([control(7, members.length), ...members.flat().map(encode)]);
}

/** Type and size; a type above 7 is in a byte of its own. No size here reaches 29, from which on it would be too. */
function control(type: number, size: number): Buffer {
  if (size >= 29) throw new Error(`a size of ${size} is not needed so far`);
  return Buffer.from(type <= 7 ? [(type << 5) | size] : [size, type - 7]);
}
