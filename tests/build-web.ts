import { buildWeb } from '../web/build.ts';

/** Servers of tests serve the page as it is now. */
export const setup = () => buildWeb();
