import { progressLine } from '../load/report.ts';

const BAR_MS = 200;
const LINE_MS = 5_000;

/** On a terminal a line that is written over, elsewhere one now and then. */
export class ProgressBar {
  readonly #stream = process.stderr;
  readonly #timer: NodeJS.Timeout;

  constructor(progress: () => { readonly text: string; readonly part: number }) {
    const live = this.#stream.isTTY === true;
    const show = () => {
      const { text, part } = progress();
      const line = live ? `\r\u001b[2K${progressLine({ text, part, columns: this.#stream.columns })}` : `${text}\n`;
      this.#stream.write(line);
    };
    this.#timer = setInterval(show, live ? BAR_MS : LINE_MS);
  }

  /** Makes room for another line. */
  clear(): void {
    if (this.#stream.isTTY === true) this.#stream.write('\r\u001b[2K');
  }

  hide(): void {
    clearInterval(this.#timer);
    this.clear();
  }
}
