const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * What `JSON.parse` ought to return; src parses JSON in no other way (json-parse.grit sees to it).
 *
 * `JSON.parse` of Node 24 and 26 can give a member another name (https://github.com/nodejs/node/issues/63785,
 * https://issues.chromium.org/issues/521080746). Where earlier objects with the same members before it had the name X in its place,
 * it compares X with only as much of the name's text as the name is long without its escapes. So after `{"a":1,"\\":1}`, by whatever
 * sender, `{"a":1,"\"":1}` has a member `\`; names like `http:\/` and `caf\u00e9` can change as well. A name written without escapes
 * never does. A wrong name has a backslash in it, for the text that it was taken for reaches beyond the first escape. A reviver comes
 * too late. So where names are written with escapes, and some come out with a backslash, the objects are put together here.
 */
export function readJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return hasEscapedName(text) && hasBackslashInName(value) ? readParts(text) : value;
}

/** Of valid JSON. On the way of every event; escapes in values are frequent, so only the strings that hold one are looked into. */
function hasEscapedName(text: string): boolean {
  let at = text.indexOf('\\');
  while (at !== -1) {
    at += 2;
    let code = text.charCodeAt(at);
    while (code !== QUOTE && code !== BACKSLASH) code = text.charCodeAt(++at);
    // The last escape of a string is followed by its end, and that of a name by a colon.
    if (code === QUOTE && isName(text, at + 1)) return true;
    at = text.indexOf('\\', at);
  }
  return false;
}

function isName(text: string, stringEnd: number): boolean {
  return text.charCodeAt(skipSpace(text, stringEnd)) === COLON;
}

/** Not recursive, for the value may be nested deeper than the stack. */
function hasBackslashInName(value: unknown): boolean {
  const open: unknown[] = [[value]];
  for (const container of open) {
    if (Array.isArray(container)) {
      for (const inner of container) if (typeof inner === 'object' && inner !== null) open.push(inner);
    } else {
      const members = container as Readonly<Record<string, unknown>>;
      for (const name in members) {
        if (name.includes('\\')) return true;
        const inner = members[name];
        if (typeof inner === 'object' && inner !== null) open.push(inner);
      }
    }
  }
  return false;
}

/** Of valid JSON, not recursive either. Strings and numbers are left to `JSON.parse`; it copies, so none keeps the whole text alive. */
function readParts(text: string): unknown {
  const top: unknown[] = [];
  const open: Container[] = [top];
  let name = '';
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const character = text[at];
    if (character === ',' || character === ':') {
      at += 1;
    } else if (character === '}' || character === ']') {
      open.pop();
      at += 1;
    } else {
      const container = open.at(-1) ?? top;
      if (character === '{' || character === '[') {
        const inner: Container = character === '{' ? {} : [];
        add(container, name, inner);
        open.push(inner);
        at += 1;
      } else {
        const end = character === '"' ? skipString(text, at) : skipWord(text, at);
        const value: unknown = JSON.parse(text.slice(at, end));
        if (isName(text, end)) name = String(value);
        else add(container, name, value);
        at = end;
      }
    }
    at = skipSpace(text, at);
  }
  return top[0];
}

type Container = unknown[] | Record<string, unknown>;

function add(container: Container, name: string, value: unknown): void {
  if (Array.isArray(container)) container.push(value);
  else if (name !== '__proto__') container[name] = value;
  else Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Behind the end of a number, `true`, `false` or `null`. */
function skipWord(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && !',]} \n\r\t'.includes(text.charAt(at))) at += 1;
  return at;
}

/** Where what follows the space from `from` on begins. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

/** Behind the end of the string that begins at `quote`. */
export function skipString(text: string, quote: number): number {
  let at = quote + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
