/**
 * Every limit of the program, its unit in its name. `assertLimits` holds the relations between them at start-up.
 */
export const LIMITS = {
  // Requests to the collector.
  /** An AWS load balancer passes at most 1 MB to a Lambda target; one limit for both homes. */
  bodyBytesMax: 1_000_000,
  /** After decompression. Segment's batches are at most 500 KB of JSON, other trackers' at most a few MB. */
  decompressedBytesMax: 4_000_000,
  /** JSON of events compresses 10 to 40 times; a bomb some 1,000 times. */
  decompressionRatioMax: 100,
  /** Small bodies of repeated text may pass the ratio; below this many bytes it is not asked. */
  decompressionRatioFromBytes: 100_000,
  /** Segment allows 32 KB an event; the rest is for what Snowplow's contexts need. */
  eventBytesMax: 64_000,
  batchEventsMax: 2_000,
  jsonDepthMax: 32,
  headerBytesMax: 16_384,
  headersMax: 100,
  urlCharsMax: 8_192,
  /** A receipt's id goes into a header, and into the path of a URL. */
  receiptCharsMax: 7_000,
  /** For so long a receipt is answered. On AWS collectors are forgotten after as long. */
  receiptDays: 7,
  /** How long a receipt's events are waited for; below queryMsMax with the last look. */
  receiptWaitSecondsMax: 20,
  /** Requests that wait for a receipt's events. */
  receiptWaitsMax: 256,
  /** From one look to the next one the wait doubles between these. */
  receiptLookMsMin: 20,
  receiptLookMsMax: 500,
  /** Events of a receipt that were not stored and are spelt out; the rest is counted. */
  receiptNotStoredMax: 100,
  connectionsMax: 4_096,
  /** Time for the headers of a request to arrive. */
  headersMsMax: 10_000,
  /** Time for a whole request to arrive. */
  requestMsMax: 30_000,
  /** Above an AWS load balancer's idle time-out of 60 s, so that it is never us who close first. */
  keepAliveMs: 65_000,
  /** How often slow connections are looked for. */
  connectionCheckMs: 2_000,
  retryAfterSeconds: 1,
  /** How long a stopping server waits for requests under way before it cuts them off. */
  shutdownMsMax: 5_000,
  /** Bodies that are arriving, all connections together; without it, slow clients could hold 4 GB. */
  bodiesBytesMax: 256 * 1024 * 1024,
  /** What is read on of a body that was refused, so that its client sees the answer rather than a reset. */
  discardedBytesMax: 4_000_000,
  /** Browsers keep a preflight's answer at most two hours (Chromium) to a day (Firefox). */
  preflightSeconds: 7_200,
  /** A page's tracker asks for its settings once in this time; changes of them arrive no later. */
  trackerSettingsSeconds: 600,
  /**
   * How often the browser's tracker tries an event again: the waits double from half a second, so up to some days. From
   * 22 tries on they would be longer than a timer can be, which then fires at once.
   */
  trackerRetriesMax: 18,
  /** A browser asks for the tracker again after this. */
  trackerScriptSeconds: 3_600,
  /** Of the script, and of the batches that it sends. */
  trackerPathCharsMax: 100,

  // Cookieless ids (docs/decisions/0030-cookieless.md).
  /** As long as what SHA-256 makes, which is what RFC 2104, section 3, asks of a key. */
  saltBytes: 32,
  /** Two visitors of a day get the same id at the odds of one in 2^96. */
  cookielessIdBytes: 12,
  /** How often the server looks for salts that are to go. */
  saltForgetMs: 600_000,
  /** How long a request waits for a salt of the table. */
  saltMsMax: 3_000,

  // Fields of an event.
  /** userId, anonymousId, eventId. DynamoDB's sort keys hold 1,024 bytes; three of these and a time fit. */
  idCharsMax: 200,
  eventTypeCharsMax: 200,
  /** An event older than this at its arrival is dated by its arrival in views; its createdAt stays as sent. */
  eventAgeDaysMax: 3_650,

  // Records.
  /** Kinesis takes 1 MiB with the partition key; the header is the rest. An event set aside may alone be larger. */
  recordBytesMax: 900_000,
  /** All records of one request. */
  requestRecordsBytesMax: 16_000_000,
  /** Failed numbers that one record's header carries. */
  recordVoidsMax: 100,
  /** From this many failed numbers on, a failing log is tried once in retryAfterSeconds only. */
  voidsWaitingMax: 1_000,

  // The log.
  /** A shard's id (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Shard.html); an id or cursor with a longer one is none of ours. */
  laneCharsMax: 128,
  segmentBytes: 32 * 1024 * 1024,
  /** What one write carries at the most, of all that waits. */
  groupBytesMax: 4 * 1024 * 1024,
  /** What may wait for the write in flight; beyond it the collector answers 503. */
  waitingBytesMax: 32 * 1024 * 1024,
  /** The gate: new appends wait while more than this is not yet processed. Measured in bench/RESULTS.md. */
  unprocessedBytesMax: 4 * 1024 * 1024,
  /** How long the gate holds an append before the collector answers 503. */
  gateMsMax: 5_000,
  /** How often a closed gate is looked at. */
  gatePollMs: 2,
  logRetentionHours: 24,
  /** A segment that holds something is followed by another after this, full or not, so that it can go in its time. */
  segmentHours: 1,
  /** How often a log that cannot be written is tried again. */
  logProbeMs: 500,
  /** A new segment is filled with zeros in writes of this size, so that the log's own writes get between. */
  segmentZeroBytes: 1024 * 1024,
  /** What the log's reader takes from a file at once. */
  logReadBytes: 256 * 1024,

  // Processing.
  /** Half of what the gate lets wait: while one batch is processed the next one comes. */
  processBatchBytesMax: 2 * 1024 * 1024,
  /** From one batch's start to the next one's, while less than half a batch waits. */
  processBatchMsMin: 10,
  processRetryMs: 500,
  /** The time that is told from durable to stored is of so many seconds. */
  freshnessSeconds: 60,
  /** Writes to the log that wait to be processed and of which that time is measured, a power of two: more of 1 kB each the gate does not let wait. */
  freshnessWritesMax: 4_096,
  sessionGapMinutes: 30,
  /** Values one row of a view holds; the rest is counted under "(other)". */
  rowValuesMax: 1_000,
  rowKeyCharsMax: 300,
  /** Real user agents have 60 to 300; what is longer is cut before it is parsed, for the time of its patterns grows faster. */
  userAgentCharsMax: 400,
  /** User agents and locales whose reading is remembered; a user agent's takes some 40 µs and 600 bytes. */
  userAgentsCachedMax: 10_000,
  localesCachedMax: 1_000,
  /** Links and referrers whose reading is remembered, each, and how long one may be for that: some 10 MB in all. */
  urlsCachedMax: 10_000,
  urlCharsCachedMax: 500,
  /** A name in the DNS (RFC 1035, 2.3.4). */
  hostCharsMax: 253,
  /** Country databases have some 10 MB, those of cities 60; it is held in memory. */
  countryFileBytesMax: 256 * 1024 * 1024,
  /** Truncated addresses whose country is remembered; some 100 bytes each. */
  addressesCachedMax: 50_000,
  /** Numbers of one collector that share one row of the ledger. */
  ledgerBlockNumbers: 256,
  /** How often the server seals its ledger while records come; at 5,000 records a second a pass takes some 50 ms. */
  sealMs: 5_000,
  /** How far the clocks of collectors, of the log and of who audits may be apart, and a record's stamp from its arrival. */
  ledgerClockMsMax: 120_000,
  /** A collector of which nothing was heard for so long is over: above what a stream keeps by default, and its function tries. */
  collectorSilentHours: 48,
  /** On AWS a collector that was silent for so long is forgotten: Lambda keeps no environment for days. */
  lambdaCollectorHoursMax: 7 * 24,
  /** Hours of arrival that the sealed ledger keeps apart; those before are one. Each has some 100 bytes a lane and source. */
  ledgerHoursKept: 35 * 24,
  /** Visitors that one user's timeline is made of; the rest stay visitors of their own. */
  linksPerUserMax: 1_000,
  /** How often a collector tells the store its highest acknowledged number. */
  witnessMs: 1_000,

  // Queries.
  pageEventsDefault: 100,
  pageEventsMax: 1_000,
  /** Also of the values that one interval is merged into: some 800 bytes each, which senders make up. */
  statsRowsMax: 50_000,
  /** The largest values of an interval that can be asked for. */
  statsLimitMax: 1_000,
  /** Minutes or hours of a view that one answer is merged from: 34 days by the minute, 5 years by the hour. */
  statsBucketsMax: 50_000,
  /** A page of a list ends early once it is this long; one event of any size still fits. */
  pageCharsMax: 8_000_000,
  /** Bad events can be large, so they are read in steps of this many. */
  badEventsStep: 10,
  /** Visitors whose erasures are brought to their end together. */
  erasuresAtOnce: 100,
  /** For so long what was set aside is looked through at once; then batches go first. */
  erasurePieceMs: 15,
  /** How often that is tried again. */
  erasureRetryMs: 2_000,
  /** How often it is tried to write the store anew while there is no room for it, or it fails. */
  rewriteRetryMs: 60_000,
  /** Room that writing the store anew leaves, for the log and the batches that go on meanwhile. */
  rewriteSpareBytes: 128 * 1024 * 1024,
  /** Between two passes for what was forgotten: anybody may send it, and each ends a segment of the log and writes the store anew. */
  forgottenRestMs: 10_000,
  /** And this many times as long as the last pass took. */
  forgottenRestTimes: 20,
  /** Events set aside that one answer counts, and looks through for a filter, without their bytes: some 20 ms. */
  badLooksMax: 10_000,
  /** Kinds of reasons that one answer lists, of those of badLooksMax events. */
  badKindsMax: 1_000,
  /** Events set aside that one request puts back: each is a record of its own, replayAppendRecordsMax to an append. */
  badReplayDefault: 100,
  badReplayMax: 500,
  /** An event that comes in the place of one that was set aside: eventBytesMax, with room for spaces and escapes. */
  badEditBytesMax: 256_000,
  /** How many events of each linked visitor or user are read at a time when a timeline is merged. */
  timelineEventsStep: 100,
  liveEvents: 20,
  /** Newest events looked through for those of bots, or of others. */
  liveLooksMax: 200,
  /** Problems that an audit spells out; the rest are counted. */
  auditProblemsMax: 1_000,
  /** Hours by lane and source that an audit lists; some 200 bytes each, and the load balancer takes 1 MB. */
  auditHoursMax: 1_000,
  /** Records waiting in the embedded log that an audit lists, each 250 bytes and 11 µs in which nothing else is answered; more are not counted. */
  auditPendingRecordsMax: 50_000,
  /** How often an audit is begun anew because the ledger was sealed, or events were erased, meanwhile. */
  auditTriesMax: 5,
  /** Events that a deep audit counts at once, some 40 ms; then it lets others go first. */
  auditPieceEvents: 5_000,
  /** How long a deep audit may take, which reads every event: some 10 µs each. */
  deepAuditMsMax: 3_600_000,
  /** The body of a POST of the API, which has nothing to say. */
  apiBodyBytesMax: 1_024,
  queriesWaitingMax: 256,
  queryMsMax: 30_000,
  liveMinutes: 30,
  visitorsNowMinutes: 5,

  // The store.
  eventRetentionDays: 400,
  maintenanceEventsMax: 2_000,
  /** Types of a source that have lists of their own: a list of all types looks into each, some 25 µs. */
  storeTypeListsMax: 200,
  /** Texts (ids, event types) whose integers the writer remembers; some 150 bytes each. */
  storeNamesCachedMax: 200_000,
  /** Visitors that the writer remembers; some 300 bytes each. */
  storeVisitorsCachedMax: 200_000,
  /** Of rows of views that the writer keeps decoded, beside those it wrote last; they take some ten times as many bytes. */
  storeRowsCachedChars: 8_000_000,
  /** Rows of views are written at least this often while batches keep coming, and every half second where that takes little of the time. */
  storeRowsMsMax: 2_000,
  /** Rows that may wait to be written; some 10 MB of texts. */
  storeRowsLateMax: 2_000,
  storeCacheKibibytes: 65_536,
  /** Length of the write-ahead log at which it is moved into the database, which takes some 50 ms. */
  storeCheckpointBytes: 32 * 1024 * 1024,
  /** How often the checkpointer looks at it. */
  storeCheckpointLookMs: 50,
  /** A write-ahead log longer than this waits for the readers that keep it from starting anew. */
  storeWalBytesMax: 256 * 1024 * 1024,
  storeBusyMsMax: 5_000,

  // DynamoDB (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html).
  /** Keys of one BatchGetItem. */
  dynamoBatchGetMax: 100,
  /** Requests of one BatchWriteItem. */
  dynamoBatchWriteMax: 25,
  /** An item has 400 KB, with its keys and names. */
  dynamoValueBytesMax: 350_000,
  dynamoTries: 8,
  dynamoBackoffMsMin: 25,
  dynamoBackoffMsMax: 2_000,
  /** Visitors whose events are put side by side. */
  dynamoPutsAtOnce: 32,
  /** Expired events are hidden at once, and deleted by DynamoDB this much later: so long may the maintenance that counts them fail. */
  expiredKeptDays: 3,
  /** Events of one step of a rebuild: each may change rows of its own, in the table that batches write to as well. */
  rebuildEventsMax: 500,
  /** What the rebuild of one view folds in a day beside those of all others (docs/deploy.md): events that expire before it is done are not counted on. */
  rebuildEventsPerDay: 2_000_000,
  /** Lists of one type are written in this many pieces, for a partition takes 1,000 write units a second. */
  typeShards: 8,
  /**
   * Types of a source that have lists of their own, which a list of all types is merged from: a page of it costs a query for each
   * list and piece. A stored event stays in the list it was put in, so this is not changed under tables that have events.
   */
  typeListsMax: 32,
  /** Journal items of a lane before they are folded into its rows: each is read by every query of statistics. */
  journalItemsMax: 24,
  /** Journal items that a lane holds while they cannot be folded, each some 100 bytes of the lane's item; then its batches wait. */
  journalItemsHeldMax: 400,
  /** A function runs at most 15 minutes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html): what began before an erasure is dead then. */
  erasureDelayMs: 900_000,
  /** All reads of one answer, with their tries; below queryMsMax, so that the answer says why and nothing is left running. */
  snapshotMsMax: 25_000,
  awsConnectMsMax: 2_000,
  awsRequestMsMax: 10_000,
  awsSocketsMax: 64,

  // Configuration.
  /** Write keys, and read tokens. Each request is held against every one, in constant time: 0.1 µs a key. */
  keysMax: 1_000,
  domainsPerSourceMax: 100,
  /** Reverse proxies between a client and the server. */
  proxiesMax: 10,

  // Schemas.
  /** Compiling one takes some 1 ms, in which the processor does nothing else. */
  schemaFilesMax: 1_000,
  schemaFileBytesMax: 256 * 1024,
  /** The folder is looked at between batches at most this often; a look takes some 15 µs a file. */
  schemaLookMs: 1_000,
  /** What says why an event does not fit its schema. */
  schemaDetailCharsMax: 1_000,
  /** One row of properties seen, a source's day: 1 MB when all is full, most often 10 kB. The rest is counted under "(other)". */
  seenTypesMax: 200,
  seenPropertiesPerTypeMax: 50,
  seenNameCharsMax: 100,
  /** Days that one report of properties seen is merged from. */
  schemaReportDaysMax: 100,

  // Kinesis (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html).
  /** Records of one PutRecords request. */
  kinesisCallRecordsMax: 500,
  /** Of one PutRecords request, with the partition keys. */
  kinesisCallBytesMax: 5 * 1024 * 1024,
  /** Of one record's data and partition key; a stream takes no more unless it is set up to. */
  kinesisRecordBytesMax: 1024 * 1024,
  kinesisKeyCharsMax: 256,
  /** PutRecords requests in flight; what comes meanwhile shares the next one. */
  kinesisCallsMax: 8,
  /** Records that wait or are in flight; beyond it, or waitingBytesMax, the collector answers 503. */
  kinesisWaitingRecordsMax: 10_000,
  kinesisTriesMax: 20,
  /** The bound of the first wait before a try, which doubles with each. */
  kinesisBackoffMsMin: 50,
  kinesisBackoffMsMax: 1_000,
  /** From append to the last try. With the try itself it stays below a tracker's patience of 10 s, and the function's 60 s. */
  kinesisDeadlineMsMax: 5_000,
  kinesisConnectMsMax: 1_000,
  /** Reads of one shard to see whether anything is left in it, of the five a second that it gives. */
  shardLooksMax: 3,
  /** Of one try, sent and answered. */
  kinesisRequestMsMax: 3_000,

  // Lambda functions.
  /** What a function returns to an Application Load Balancer, as JSON; its page says "1 MB". */
  albAnswerBytesMax: 1_000_000,
  /** How long a secret's value is used before it is asked for anew. */
  secretMsMax: 300_000,
  /** After a secret could not be read anew, the one before is used this long until it is tried again. */
  secretRetryMs: 30_000,
  /** The processor begins nothing more when less than this is left of its time. */
  lambdaMsLeftMin: 5_000,
  /** Records that a processor tries at once before it has measured what one takes: the first of a new function environment. */
  recordsUnmeasuredMax: 16,
  /** Tries of a record alone that ended the function, or failed for no reason outside it, before it is set aside untried. */
  recordTriesMax: 5,
  /** A record alone in its batch that arrived later than this ago is not counted: it is most likely tried for the first time. */
  recordFreshMs: 10_000,
  /** Longer than a stream keeps a record by default and than its function tries it. */
  recordTriesKeptHours: 192,

  // The archive, and replay from it.
  /** A record of the archive was one of Kinesis. What is longer is none. */
  archiveRecordBytesMax: 1024 * 1024,
  /** One file of the archive, decompressed. Firehose makes them of 64 MB; someone may have joined a day's. */
  archiveFileTextBytesMax: 16 * 1024 * 1024 * 1024,
  /** Compressed bytes that are decompressed at once: they may become a thousand times as many, and fail all together. */
  archiveStepBytes: 1024,
  /** Records of one append. If all are of one visitor, Kinesis takes them one after the other, within kinesisDeadlineMsMax: 100 ms each. */
  replayAppendRecordsMax: 50,
  /** After it a replay request begins no more appends, so that it is answered within queryMsMax. */
  replayMsMax: 20_000,
  /** How long the command tries one body again while the server does not take it. */
  replayRetryMsMax: 300_000,
  replayBackoffMsMin: 250,
  replayBackoffMsMax: 10_000,

  // The command line.
  /** How long a command waits for one answer; above queryMsMax, so that it is the server that says why. */
  clientMsMax: 40_000,
  /** A page of pageEventsMax events of eventBytesMax each. */
  clientAnswerBytesMax: 64_000_000,
  clientRetryMs: 250,
  tailPollMs: 1_000,
  /** Pages that `tail` reads back at one look; what lies further back is said to be skipped. */
  tailPagesMax: 20,
  /** Pages that `bad` looks through for what it was asked for. */
  badPagesMax: 1_000,
  loadConnectionsMax: 1_024,
  /** Of about 700 B each, they stay below bodyBytesMax. */
  loadBatchEventsMax: 1_000,
  loadPeopleMax: 1_000_000,
  /** Events sent for but not answered; when there are more, `load` cannot keep its schedule, and says so. */
  loadWaitingEventsMax: 20_000,
  /** Further behind than this, `load` says that it could not keep its schedule. */
  loadLateMsMax: 1_000,
  /** Asked for on both sides of a run's time, for clocks differ. */
  loadWindowMs: 120_000,
  /** How long one request is tried again before its events are given up as unknown. */
  loadRetryMsMax: 60_000,
  loadBackoffMsMin: 100,
  loadBackoffMsMax: 2_000,
  /** A batch of 6 MB, the most that Lambda hands over, in base64 and escaped. */
  deadLetterBytesMax: 32_000_000,
  /** How long `load` waits at its end for the server to process, or to come back. */
  loadProcessedMsMax: 120_000,
  /** Each look reads every shard, and a shard gives five reads a second to all. */
  loadProcessedPollMs: 1_000,
  loadSamplesPerSecond: 10,
  loadSamplesWaitingMax: 20,
  loadSamplePollMs: 5,
  loadSampleMsMax: 30_000,
  /** Missing or doubled events named one by one; the rest is counted. */
  loadNamedMax: 20,

  // Of `prove`. What one life of a server does not answer is sent again in the next, so both stay below loadRetryMsMax.
  proveEventsPerSecond: 500,
  /** Lives of a server, however short the time: with fewer there may be no loss of power among them. */
  proveRoundsMin: 6,
  proveConnections: 8,
  /** From that the server serves to its kill. */
  proveLifeMsMin: 100,
  proveLifeMsMax: 2_000,
  /** A server that is killed before it serves is killed within this time of its start. */
  proveStartKilledMsMax: 600,
  /** How long the disk is full, if the kill does not come before. */
  proveFullMsMax: 1_500,
  /** A server that does not serve this long after its start is a finding. */
  proveStartMsMax: 60_000,
  /** Lines of the table of rounds; with more rounds, a line stands for several. */
  proveLinesMax: 24,
} as const;

/** Throws when two limits contradict each other. */
export function assertLimits(limits: { readonly [Name in keyof typeof LIMITS]: number } = LIMITS): void {
  const relations: ReadonlyArray<readonly [boolean, string]> = [
    [limits.eventBytesMax < limits.bodyBytesMax, 'eventBytesMax < bodyBytesMax'],
    [limits.bodyBytesMax <= limits.decompressedBytesMax, 'bodyBytesMax <= decompressedBytesMax'],
    // A request's records are written together, each with a header, escaped at worst to six bytes a byte in part.
    [2 * limits.decompressedBytesMax <= limits.waitingBytesMax, '2 * decompressedBytesMax <= waitingBytesMax'],
    // A set-aside body, each of its bytes escaped, must be one that a request may hold; else it could never be accepted.
    [
      2 * limits.decompressedBytesMax < limits.requestRecordsBytesMax,
      '2 * decompressedBytesMax < requestRecordsBytesMax',
    ],
    [limits.requestRecordsBytesMax < limits.waitingBytesMax, 'requestRecordsBytesMax < waitingBytesMax'],
    [limits.eventBytesMax < limits.recordBytesMax, 'eventBytesMax < recordBytesMax'],
    [limits.eventBytesMax < limits.badEditBytesMax, 'eventBytesMax < badEditBytesMax'],
    [limits.bodyBytesMax < limits.bodiesBytesMax, 'bodyBytesMax < bodiesBytesMax'],
    [limits.recordVoidsMax <= limits.voidsWaitingMax, 'recordVoidsMax <= voidsWaitingMax'],
    [limits.groupBytesMax < limits.segmentBytes, 'groupBytesMax < segmentBytes'],
    [limits.headersMsMax <= limits.requestMsMax, 'headersMsMax <= requestMsMax'],
    [limits.gateMsMax < limits.requestMsMax, 'gateMsMax < requestMsMax'],
    [limits.pageEventsDefault <= limits.pageEventsMax, 'pageEventsDefault <= pageEventsMax'],
    [limits.archiveRecordBytesMax < limits.decompressedBytesMax, 'archiveRecordBytesMax < decompressedBytesMax'],
    [limits.receiptWaitSecondsMax * 1_000 < limits.queryMsMax, 'receiptWaitSecondsMax * 1_000 < queryMsMax'],
    [limits.snapshotMsMax < limits.queryMsMax, 'snapshotMsMax < queryMsMax'],
    [limits.replayMsMax + limits.gateMsMax < limits.queryMsMax, 'replayMsMax + gateMsMax < queryMsMax'],
    [
      limits.replayMsMax + limits.kinesisDeadlineMsMax < limits.queryMsMax,
      'replayMsMax + kinesisDeadlineMsMax < queryMsMax',
    ],
    [limits.kinesisConnectMsMax < limits.kinesisRequestMsMax, 'kinesisConnectMsMax < kinesisRequestMsMax'],
    [limits.kinesisBackoffMsMax < limits.kinesisDeadlineMsMax, 'kinesisBackoffMsMax < kinesisDeadlineMsMax'],
    [limits.batchEventsMax <= limits.kinesisWaitingRecordsMax, 'batchEventsMax <= kinesisWaitingRecordsMax'],
    [limits.recordBytesMax < limits.kinesisRecordBytesMax, 'recordBytesMax < kinesisRecordBytesMax'],
    [limits.kinesisRecordBytesMax <= limits.kinesisCallBytesMax, 'kinesisRecordBytesMax <= kinesisCallBytesMax'],
    // A name is a sequence of 60 digits and 36 of the try, and an item of DynamoDB has 400 KB.
    [limits.journalItemsHeldMax * 120 < limits.dynamoValueBytesMax, 'journalItemsHeldMax * 120 < dynamoValueBytesMax'],
    [2 * limits.journalItemsMax < limits.journalItemsHeldMax, '2 * journalItemsMax < journalItemsHeldMax'],
    [limits.decompressedBytesMax <= limits.pageCharsMax, 'decompressedBytesMax <= pageCharsMax'],
  ];
  for (const [holds, relation] of relations) {
    if (!holds) throw new Error(`limits contradict each other: ${relation} must hold`);
  }
}
