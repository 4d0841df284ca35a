import { Random } from './random.ts';
import { type Arrival, type Home, type Product, pickArrival, pickDeviceKind, pickHome, pickProduct } from './shop.ts';

/** An event to send. `number` makes its id, `load-<run>-<number>`. */
export interface PlannedEvent {
  readonly number: number;
  /** It was handed out before, as a tracker sends again what it believes unanswered. */
  readonly copy: boolean;
  readonly path: 'track' | 'page' | 'identify';
  /** `userId ?? anonymousId`. */
  readonly who: string;
  readonly eventType: string;
  readonly createdAtMs: number;
  /** The event as JSON without its closing brace, so that each attempt can add its own sentAt at the end. */
  readonly openBody: string;
}

export function eventIdOf(run: string, number: number): string {
  return `load-${run}-${number}`;
}

/** The run that an id is of; undefined when it is of none. */
export function runOf(eventId: string): string | undefined {
  return /^load-(.+)-\d{1,15}$/.exec(eventId)?.[1];
}

const SITE = 'https://shop.example';
const MINUTE_MS = 60_000;
/** Visits going on at once, of which the next event is taken from any. */
const VISITS_AT_ONCE_MAX = 500;

interface Device {
  readonly anonymousId: string;
  /** The part of the context that stays: `"userAgent":...,"locale":...,...` without braces. */
  readonly context: string;
  /** The person is logged in here, and will be at the next visit. */
  loggedIn: boolean;
}

interface Person {
  readonly userId: string;
  readonly traits: string;
  readonly hasAccount: boolean;
  readonly devices: readonly [Device, ...Device[]];
}

/** One call of a tracker that a visit will make next. `detail` is JSON of the properties, or of the traits. */
type Step =
  | { readonly path: 'page'; readonly location: string; readonly title: string }
  | { readonly path: 'track'; readonly eventType: string; readonly detail: string }
  | { readonly path: 'identify'; readonly detail: string };

interface Visit {
  readonly person: Person;
  readonly device: Device;
  /** How long before its arrival each event happened: 0 for most, much for a visit that was kept while offline. */
  readonly ageMs: number;
  readonly steps: Step[];
  readonly campaign: string;
  location: string;
  title: string;
  referrer: string;
  looked: Product | undefined;
  cart: Product[];
}

/**
 * Visits of many people to a shop, as the events that their trackers send, one after the other. The same seed, number of
 * people, run and clock give the same events. People have one to three devices; some log in; visits begin from
 * searches, mails, campaigns or nowhere and go on in parallel. Some were kept while offline and arrive 31 to 120 minutes late,
 * so that the person's next visit is a new session; single events arrive minutes late, after their followers, or twice.
 */
export class Visits {
  readonly #random: Random;
  readonly #seed: number;
  readonly #run: string;
  readonly #peopleCount: number;
  readonly #people = new Map<number, Person>();
  readonly #visits: Visit[] = [];
  /** What is held back, by the turn at which it is handed out. */
  readonly #held = new Map<number, PlannedEvent[]>();
  #ready: PlannedEvent[] = [];
  #turn = 0;
  #number = 0;

  constructor(options: { readonly seed: number; readonly people: number; readonly run: string }) {
    this.#seed = options.seed;
    this.#run = options.run;
    this.#peopleCount = options.people;
    this.#random = new Random(options.seed);
    const atOnce = Math.min(Math.ceil(options.people / 2), VISITS_AT_ONCE_MAX);
    for (let slot = 0; slot < atOnce; slot += 1) this.#visits.push(this.#newVisit());
  }

  /** The next event, as it would be sent at this time, in epoch milliseconds. */
  next(nowMs: number): PlannedEvent {
    this.#turn += 1;
    const due = this.#held.get(this.#turn);
    if (due !== undefined) {
      this.#held.delete(this.#turn);
      this.#ready.push(...due);
    }
    return this.#ready.shift() ?? this.#fresh(nowMs);
  }

  #fresh(nowMs: number): PlannedEvent {
    const random = this.#random;
    for (;;) {
      const event = this.#step(nowMs);
      const drawn = random.fraction();
      if (drawn < 0.01) {
        this.#hold(event, random.between(5, 100));
        continue;
      }
      // A tracker that lost patience sends again at once; one that lost the answer, later.
      if (drawn < 0.025) this.#hold({ ...event, copy: true }, random.between(1, 3));
      else if (drawn < 0.03) this.#hold({ ...event, copy: true }, random.between(200, 2_000));
      return event;
    }
  }

  #hold(event: PlannedEvent, turns: number): void {
    const turn = this.#turn + turns;
    const held = this.#held.get(turn);
    if (held === undefined) this.#held.set(turn, [event]);
    else held.push(event);
  }

  #step(nowMs: number): PlannedEvent {
    const slot = this.#random.below(this.#visits.length);
    let visit = this.#visits[slot];
    while (visit === undefined || (visit.steps.length === 0 && !goOn(visit, this.#random))) {
      visit = this.#newVisit();
      this.#visits[slot] = visit;
    }
    const step = visit.steps.shift();
    if (step === undefined) throw new Error('a visit that goes on has a next step');
    const lateMs = this.#random.chance(0.01) ? this.#random.between(1, 10) * MINUTE_MS : 0;
    const event = render(visit, step, {
      number: this.#number,
      eventId: eventIdOf(this.#run, this.#number),
      createdAtMs: nowMs - visit.ageMs - lateMs,
    });
    this.#number += 1;
    return event;
  }

  #newVisit(): Visit {
    const random = this.#random;
    const person = this.#person(random.below(this.#peopleCount));
    const device = random.pick(person.devices);
    const arrival = pickArrival(random);
    const landing = landingOf(random);
    const location = landing.location + arrival.search;
    if (device.loggedIn && random.chance(0.3)) device.loggedIn = false;
    return {
      person,
      device,
      ageMs: random.chance(0.1) ? random.between(31, 120) * MINUTE_MS : 0,
      steps: [pageStep(location, landing.title)],
      campaign: campaignOf(arrival),
      location,
      title: landing.title,
      referrer: arrival.referrer,
      looked: landing.looked,
      cart: [],
    };
  }

  /** Made when first asked for, from a stream of its own, so that it does not matter when that is. */
  #person(index: number): Person {
    const known = this.#people.get(index);
    if (known !== undefined) return known;
    const person = makePerson(this.#seed, index);
    this.#people.set(index, person);
    return person;
  }
}

const FIRST_NAMES = ['Ada', 'Björn', 'Chloé', 'Dilip', 'Emi', 'Femi', 'Grace', 'Hana', 'İpek', 'João'] as const;
const PLANS = ['free', 'friend', 'gold'] as const;

function makePerson(seed: number, index: number): Person {
  const random = new Random(seed, index + 1);
  const userId = `person-${seed}-${index}`;
  const home = pickHome(random);
  const more = random.chance(0.75) ? 0 : random.chance(0.8) ? 1 : 2;
  return {
    userId,
    traits: JSON.stringify({
      name: random.pick(FIRST_NAMES),
      email: `${userId}@example.com`,
      plan: random.pick(PLANS),
    }),
    hasAccount: random.chance(0.4),
    devices: [makeDevice(home, random), ...Array.from({ length: more }, () => makeDevice(home, random))],
  };
}

function makeDevice(home: Home, random: Random): Device {
  const { userAgent, width, height } = pickDeviceKind(random);
  const library = { name: 'clickstream-load', version: '1' };
  const context = JSON.stringify({ library, ...home, userAgent, screen: { width, height } });
  return { anonymousId: random.uuid(), context: context.slice(1, -1), loggedIn: false };
}

function campaignOf({ campaign }: Arrival): string {
  return campaign === undefined ? '' : `,"campaign":${JSON.stringify(campaign)}`;
}

function landingOf(random: Random): { readonly location: string; readonly title: string; readonly looked?: Product } {
  const drawn = random.fraction();
  if (drawn < 0.4) return { location: '/', title: 'Shop' };
  if (drawn < 0.55) return { location: '/blog/how-to-choose-a-lamp', title: 'How to choose a lamp' };
  const product = pickProduct(random);
  if (drawn < 0.75) return { location: `/c/${product.category}`, title: product.category };
  return { location: `/p/${product.id}`, title: product.name, looked: product };
}

function pageStep(location: string, title: string): Step {
  return { path: 'page', location, title };
}

function trackStep(eventType: string, properties: object): Step {
  return { path: 'track', eventType, detail: JSON.stringify(properties) };
}

/** Decides what the person does next and adds its steps; false when the visit is over. */
function goOn(visit: Visit, random: Random): boolean {
  const drawn = random.fraction();
  if (drawn < 0.14) return false;
  if (drawn < 0.36) browse(visit, pickProduct(random));
  else if (drawn < 0.7) look(visit, pickProduct(random));
  else if (drawn < 0.82) addToCart(visit, random);
  else if (drawn < 0.9) search(visit, pickProduct(random));
  else if (drawn < 0.95) logIn(visit);
  else checkOut(visit, random);
  return true;
}

function browse({ steps }: Visit, { category }: Product): void {
  steps.push(pageStep(`/c/${category}`, category));
}

function look(visit: Visit, product: Product): void {
  visit.looked = product;
  visit.steps.push(pageStep(`/p/${product.id}`, product.name), trackStep('Product Viewed', itemOf(product)));
}

function addToCart(visit: Visit, random: Random): void {
  const { looked } = visit;
  if (looked === undefined) {
    look(visit, pickProduct(random));
    return;
  }
  visit.cart.push(looked);
  visit.steps.push(trackStep('Product Added', itemOf(looked)));
}

function search({ steps }: Visit, { category }: Product): void {
  steps.push(pageStep(`/search?q=${category}`, 'Search'), trackStep('Products Searched', { query: category }));
}

function logIn({ device, person, steps }: Visit): void {
  steps.push(pageStep('/login', 'Log in'));
  if (!person.hasAccount || device.loggedIn) return;
  steps.push({ path: 'identify', detail: person.traits }, trackStep('Signed In', { method: 'password' }));
}

function checkOut(visit: Visit, random: Random): void {
  const { cart, device, steps } = visit;
  if (cart.length === 0) {
    browse(visit, pickProduct(random));
    return;
  }
  const products = cart.map(itemOf);
  const sumCents = cart.reduce((sum, { priceCents }) => sum + priceCents, 0);
  const started = { value: sumCents / 100, currency: 'EUR', products };
  steps.push(pageStep('/checkout', 'Checkout'), trackStep('Checkout Started', started));
  if (random.chance(0.3)) return;
  visit.cart = [];
  const shippingCents = sumCents > 5_000 ? 0 : 490;
  const order = {
    order_id: `o-${device.anonymousId.slice(0, 8)}-${random.below(1_000_000)}`,
    revenue: sumCents / 100,
    shipping: shippingCents / 100,
    total: (sumCents + shippingCents) / 100,
    currency: 'EUR',
    products,
  };
  steps.push(pageStep('/checkout/thanks', 'Thank you'), trackStep('Order Completed', order));
}

function itemOf({ id, name, category, priceCents }: Product) {
  return { product_id: id, name, category, price: priceCents / 100, quantity: 1 };
}

/** The event as text. Built by hand, for this runs thousands of times a second beside the server that it measures. */
function render(
  visit: Visit,
  step: Step,
  given: { readonly number: number; readonly eventId: string; readonly createdAtMs: number },
): PlannedEvent {
  const { device, person } = visit;
  if (step.path === 'page' && step.location !== visit.location) {
    visit.referrer = SITE + visit.location;
    visit.location = step.location;
    visit.title = step.title;
  }
  if (step.path === 'identify') device.loggedIn = true;
  const user = device.loggedIn ? `,"userId":"${person.userId}"` : '';
  const page = pageOf(visit);
  const timestamp = new Date(given.createdAtMs).toISOString();
  const openBody =
    `{"type":"${step.path}","messageId":"${given.eventId}","anonymousId":"${device.anonymousId}"${user}` +
    `,"timestamp":"${timestamp}"${detailOf(step, page)}` +
    `,"context":{${device.context},"page":${page}${visit.campaign}}`;
  return {
    number: given.number,
    copy: false,
    path: step.path,
    who: device.loggedIn ? person.userId : device.anonymousId,
    eventType: step.path === 'track' ? step.eventType : step.path,
    createdAtMs: given.createdAtMs,
    openBody,
  };
}

function detailOf(step: Step, page: string): string {
  switch (step.path) {
    case 'page':
      return `,"properties":${page}`;
    case 'track':
      return `,"event":${JSON.stringify(step.eventType)},"properties":${step.detail}`;
    case 'identify':
      return `,"traits":${step.detail}`;
  }
}

function pageOf({ location, title, referrer }: Visit): string {
  const question = location.indexOf('?');
  const path = question < 0 ? location : location.slice(0, question);
  const search = question < 0 ? '' : location.slice(question);
  return `{"path":"${path}","search":"${search}","title":${JSON.stringify(title)},"url":"${SITE}${location}","referrer":"${referrer}"}`;
}
