import { useEffect, useState } from 'preact/hooks';

const TOLD_MS = 2_000;

/** A button that copies a text, and says that it did. Where the browser has no clipboard for the page, the text can be selected. */
export function Copy({ text, children }: { readonly text: string; readonly children: string }) {
  const [told, setTold] = useState('');
  useEffect(() => {
    if (told === '') return undefined;
    const timer = setTimeout(() => setTold(''), TOLD_MS);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setTold('Copied');
    } catch {
      setTold('Select and copy it by hand: the browser did not allow it');
    }
  };
  return (
    <>
      <button type="button" class="quiet" onClick={copy}>
        {children}
      </button>
      <span class="soft" role="status">
        {told}
      </span>
    </>
  );
}
