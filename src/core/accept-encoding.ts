/**
 * Whether a client that sends this header `Accept-Encoding` takes a coding: it names it, and not with a weight of 0 (RFC 9110,
 * section 12.5.3).
 */
export function acceptsCoding(header: string | undefined, coding: 'br' | 'gzip'): boolean {
  return (header ?? '').split(',').some((part) => {
    const [name = '', ...weights] = part.split(';');
    return name.trim().toLowerCase() === coding && !weights.some((weight) => /^\s*q=0(?:\.0*)?\s*$/i.test(weight));
  });
}
