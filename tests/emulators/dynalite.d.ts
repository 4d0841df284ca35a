/** The part of dynalite that the tests use: an emulator of DynamoDB within the process, which keeps everything in memory. */
declare module 'dynalite' {
  import type { Server } from 'node:http';

  export default function dynalite(options?: {
    /** How long a table is being created, in milliseconds. */
    readonly createTableMs?: number;
  }): Server;
}
