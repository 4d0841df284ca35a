import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** A question over the page, held by the browser's own dialog: it keeps the focus, and Escape closes it. */
export function Dialog({
  title,
  isHeld = false,
  onClose,
  children,
}: {
  readonly title: string;
  /** It stays open now: no browser lets Escape be refused twice. */
  readonly isHeld?: boolean;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = () => dialog.current?.showModal();
  useEffect(() => {
    const before = document.activeElement;
    open();
    // Who came by keyboard goes on from where they were.
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={isHeld ? open : onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}
