/** Whether a client that sends this header `Accept-Encoding` takes gzip: it names it, and not with a weight of 0 (RFC 9110, section 12.5.3). */
export function acceptsGzip(header: string | undefined): boolean {
  return header !== undefined && /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(header);
}
