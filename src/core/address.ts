/** The longest text with an address in it: IPv6 that ends in IPv4, with brackets, a zone and a port. */
const addressCharsMax = 80;

/**
 * What is kept of an IP address, for an address is a person's: IPv4 to /24 (`203.0.113.0`), IPv6 to /48 in the form of
 * RFC 5952 (`2001:db8:1::`). IPv4 in the clothes of IPv6 (mapped, RFC 4291; 6to4, RFC 3056, of which /48 would hold all)
 * is IPv4. A port, brackets and a zone may be there, as proxies write them. What is no address is undefined.
 */
export function truncateAddress(text: string): string | undefined {
  const parts = partsOf(text);
  if (parts === undefined || parts.length === 4) return parts && truncatedOctets(parts);
  const [a = 0, b = 0, c = 0] = parts;
  if (a === 0x2002) return truncatedOctets([b >> 8, b & 255, c >> 8]);
  const kept = c > 0 ? [a, b, c] : b > 0 ? [a, b] : a > 0 ? [a] : [];
  return `${kept.map((group) => group.toString(16)).join(':')}::`;
}

/** An IP address whole, in one form however it is written. It is a person's: never to be stored or shown. */
export function wholeAddress(text: string): string | undefined {
  const parts = partsOf(text);
  return parts?.length === 4 ? parts.join('.') : parts?.map((group) => group.toString(16)).join(':');
}

/** The four octets of IPv4, also where it is mapped into IPv6, or the eight groups of IPv6. */
function partsOf(text: string): readonly number[] | undefined {
  if (text.length > addressCharsMax) return undefined;
  // Nearly all are IPv4 and nothing else.
  const plainOctets = octetsOf(text);
  if (plainOctets !== undefined) return plainOctets;
  const bare = /^\s*(?:\[([^\]]*)\](?::\d{1,5})?|([^[\]]*))\s*$/.exec(text);
  if (bare === null) return undefined;
  const [, bracketed, plain = ''] = bare;
  if (bracketed === undefined) {
    const octets = octetsOf(plain.trimEnd().replace(/^([^:]+):\d{1,5}$/, '$1'));
    if (octets !== undefined) return octets;
  }
  const groups = groupsOf((bracketed ?? plain.trimEnd()).replace(/%[\w.-]+$/, ''));
  if (groups === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const isMapped = f === 0xffff && (a | b | c | d | e) === 0;
  return isMapped ? [g >> 8, g & 255, h >> 8, h & 255] : groups;
}

function truncatedOctets([a, b, c]: readonly number[]): string {
  return `${a}.${b}.${c}.0`;
}

/** A leading zero is refused: some readers take it for an octal number. */
const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

function octetsOf(text: string): readonly number[] | undefined {
  const parts = IPV4.exec(text);
  if (parts === null) return undefined;
  const octets = [Number(parts[1]), Number(parts[2]), Number(parts[3]), Number(parts[4])];
  return octets.every((octet) => octet < 256) ? octets : undefined;
}

/** The eight groups of an IPv6 address. */
function groupsOf(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = [halves[0] ?? '', halves[1]];
  const before = groupList(head, tail === undefined);
  const after = groupList(tail ?? '', true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** Groups between colons; the last ones may be written as IPv4 where the address ends with them. */
function groupList(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const octets = isEnd && index === parts.length - 1 ? octetsOf(part) : undefined;
    if (octets !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = octets;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[\da-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

const OPEN_TEXT = String.raw`"[^"\\]*(?:\\.[^"\\]*)*`;
/** A text of JSON; where it is a member's name, with the colon, and with the value where that is a text, too, perhaps cut off. */
const textOrMember = new RegExp(`(${OPEN_TEXT}")(?:(\\s*:\\s*")(${OPEN_TEXT.slice(1)})("?))?`, 'gs');
const IP_NAME = /^"(?:i|\\u0069)(?:p|\\u0070)"$/;

/**
 * Raw JSON with the value of every member `"ip": "…"`, at any depth, truncated as `truncateAddress` does, and all else
 * as it was. A value that is no address but could hold one (it has a dot, a colon or an escape) becomes empty.
 * Text that is not JSON is treated as well as it can be.
 */
export function truncateAddressesIn(json: string): string {
  return json.replace(textOrMember, (whole, name: string, colon: string, value: string, end: string) => {
    if (value === undefined || !IP_NAME.test(name)) return whole;
    const kept = truncateAddress(value) ?? (/[.:\\]/.test(value) ? '' : value);
    return name + colon + kept + end;
  });
}
