import { writeScript } from '../tracker/build.ts';

/** Servers of tests serve the tracker as it is now. */
export const setup = () => writeScript('tracker/dist');
