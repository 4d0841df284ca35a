/** The slice of ua-parser-js 1.x that is used; the package brings no types. */
declare module 'ua-parser-js' {
  export class UAParser {
    constructor(userAgent: string);
    getBrowser(): { readonly name: string | undefined };
    getOS(): { readonly name: string | undefined };
    getDevice(): { readonly type: string | undefined };
  }
}
