import { visible } from '../format.ts';
import type { Measure } from './figures.ts';

/** A list of what is most, by a dimension of the API. */
export interface List {
  readonly by: string;
  /** Of many. */
  readonly title: string;
  /** Of one. */
  readonly of: string;
  /** What `(none)` is called. */
  readonly none: string;
  readonly measure: Extract<Measure, 'visitors' | 'sessions' | 'pageviews'>;
  /** How a value is called, where that is not what it is. */
  readonly nameOf?: (key: string) => string | undefined;
}

export interface Panel {
  readonly title: string;
  readonly lists: readonly [List, ...List[]];
}

/** In the reader's language; undefined for what is no code. */
function namesOf(type: 'language' | 'region'): (code: string) => string | undefined {
  const names = new Intl.DisplayNames(undefined, { type, fallback: 'none' });
  return (code) => {
    try {
      return names.of(code);
    } catch {
      return undefined;
    }
  };
}

const visits = (by: string, title: string, of: string): List => ({
  by,
  title,
  of,
  none: `No ${of.toLowerCase()}`,
  measure: 'visitors',
});
const devices = (by: string, title: string, of: string): List => ({ ...visits(by, title, of), none: 'Not known' });

export const PANELS: readonly Panel[] = [
  {
    title: 'Pages',
    lists: [
      { by: 'page', title: 'Top pages', of: 'Page', none: 'No page', measure: 'pageviews' },
      { by: 'entryPage', title: 'Entry pages', of: 'First page', none: 'No page', measure: 'sessions' },
      { by: 'exitPage', title: 'Exit pages', of: 'Last page', none: 'No page', measure: 'sessions' },
    ],
  },
  {
    title: 'Where they came from',
    lists: [
      visits('referrer', 'Referrers', 'Referrer'),
      visits('channel', 'Channels', 'Channel'),
      visits('campaign', 'Campaigns', 'Campaign'),
      visits('source', 'Sources', 'Source'),
      visits('medium', 'Mediums', 'Medium'),
    ],
  },
  {
    title: 'What they use',
    lists: [
      devices('browser', 'Browsers', 'Browser'),
      devices('os', 'Systems', 'System'),
      devices('device', 'Devices', 'Device'),
    ],
  },
  {
    title: 'Languages and countries',
    lists: [
      { ...devices('language', 'Languages', 'Language'), nameOf: namesOf('language') },
      { ...devices('country', 'Countries', 'Country'), nameOf: namesOf('region') },
    ],
  },
];

export const MEASURE_TITLES: Readonly<Record<List['measure'], string>> = {
  visitors: 'Visitors',
  sessions: 'Sessions',
  pageviews: 'Pageviews',
};

/** A value of a list in words. What a tracker sent is shown as text that steers nothing. */
export function nameOf(list: List, key: string): string {
  if (key === '(none)') return list.none;
  if (key === '(other)') return 'All others';
  return list.nameOf?.(key) ?? visible(key);
}
