let isAllowed = false;

/** Until it is allowed, and where the browser has none, storage is empty and keeps nothing. */
export function allowStorage(allowed: boolean): void {
  isAllowed = allowed;
}

/** Storage that is blocked throws on any use, even of its name; where it is full, on writing. Undefined then. */
function use<Result>(step: (storage: Storage) => Result): Result | undefined {
  try {
    return isAllowed ? step(localStorage) : undefined;
  } catch {
    return undefined;
  }
}

/** The value of a name in the browser's storage; nothing where there is none, or no storage. */
export function load(name: string): string | null | undefined {
  return use((storage) => storage.getItem(name));
}

/** Whether it was stored. Nothing as a value removes the name. */
export function save(name: string, value?: string): boolean | undefined {
  return use((storage) => {
    if (value) storage.setItem(name, value);
    else storage.removeItem(name);
    return true;
  });
}

/** Names in storage that begin so. */
export function names(beginning: string): string[] {
  return use((storage) => Object.keys(storage).filter((name) => name.startsWith(beginning))) || [];
}

/** 128 random bits as digits. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('');
}
