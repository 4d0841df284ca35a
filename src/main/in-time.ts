/** What is read of Lambda's context. */
export interface FunctionContext {
  getRemainingTimeInMillis(): number;
}

/** What was under way did not come back while there was time for it. */
export class LateError extends Error {
  override readonly name = 'LateError';
}

/** Rejects with LateError when it takes longer; what then becomes of it is not asked. */
export async function within<Value>(ms: number, asked: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`not done in ${Math.round(ms)} ms`)), ms);
  });
  asked.catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
