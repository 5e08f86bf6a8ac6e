// The server, as any other client sees it.

import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AdminService } from "../gen/sightline/v1/admin_pb.js";
import { CameraService } from "../gen/sightline/v1/cameras_pb.js";
import { CaseService } from "../gen/sightline/v1/cases_pb.js";
import { ExportService } from "../gen/sightline/v1/export_pb.js";
import { FootageService } from "../gen/sightline/v1/footage_pb.js";
import { LiveService } from "../gen/sightline/v1/live_pb.js";
import { LogService } from "../gen/sightline/v1/log_pb.js";
import { RetentionService } from "../gen/sightline/v1/retention_pb.js";
import { SearchService } from "../gen/sightline/v1/search_pb.js";
import { everyPage } from "./pages";
import { Refusal, consoleKey, ownDoor } from "./session";

const withKey: Interceptor = (next) => (request) => {
  request.header.set("x-console-key", consoleKey());
  return next(request);
};

const transport = createGrpcWebTransport({ baseUrl: "/", interceptors: ownDoor ? [withKey] : [] });

export const admin = createClient(AdminService, transport);
export const cameras = createClient(CameraService, transport);
export const cases = createClient(CaseService, transport);
export const exports = createClient(ExportService, transport);
export const footage = createClient(FootageService, transport);
export const live = createClient(LiveService, transport);
export const log = createClient(LogService, transport);
export const retention = createClient(RetentionService, transport);
export const search = createClient(SearchService, transport);

/** What went wrong, and what to do about it. */
export interface Trouble {
  message: string;
  hint: string;
  reason: string;
  /** The server said no; asking again changes nothing. */
  refused: boolean;
  /** The connection was lost before the end of an answer. */
  cut: boolean;
  /** The page found it out by itself: what came is not what it should be. */
  own: boolean;
}

const HINTS: Partial<Record<Code, string>> = {
  [Code.Unavailable]: "is `sightline serve` running? this page goes on by itself once it answers",
  [Code.Unimplemented]: "the server is of another version than this console",
  [Code.DeadlineExceeded]: "the server is slow; try again",
  [Code.Internal]: "the server's log says more; tell an operator",
  [Code.PermissionDenied]: ownDoor ? "open the console as somebody who may: `sightline console --as NAME`" : "come with the certificate of somebody who may",
};

export function trouble(error: unknown): Trouble {
  if (error instanceof Refusal) {
    return { message: error.message, hint: error.hint, reason: error.reason, refused: true, cut: false, own: false };
  }
  // Whatever a call throws is one of these; a proof that leads nowhere is no lost connection.
  if (error instanceof Error && !(error instanceof ConnectError)) {
    return { message: error.message, hint: "", reason: "", refused: false, cut: false, own: true };
  }
  const e = ConnectError.from(error);
  // The browser says no more than this, be the server away, the console or the network.
  const lost = e.code === Code.Unknown && !e.metadata.get("sightline-reason");
  return {
    message: lost ? "the connection was lost" : e.rawMessage || `the server answered ${Code[e.code]}`,
    hint: e.metadata.get("sightline-hint") ?? (lost ? (ownDoor ? "is `sightline console` still running? then try again" : "is the server there, and does your certificate still stand? then try again") : (HINTS[e.code] ?? "")),
    reason: e.metadata.get("sightline-reason") ?? Code[e.code] ?? "",
    refused: [Code.PermissionDenied, Code.FailedPrecondition, Code.InvalidArgument, Code.NotFound, Code.ResourceExhausted].includes(e.code),
    cut: lost,
    own: false,
  };
}

export const wasCancelled = (error: unknown) => ConnectError.from(error).code === Code.Canceled;

export const allCases = () => everyPage((pageToken) => cases.listCases({ pageToken }), (a) => a.cases);
export const allCameras = (agencyId = "") => everyPage((pageToken) => cameras.listCameras({ agencyId, pageToken }), (a) => a.cameras);
export const allHolds = () => everyPage((pageToken) => retention.listHolds({ pageToken }), (a) => a.holds);
export const allJobs = () => everyPage((pageToken) => footage.listJobs({ pageToken }), (a) => a.jobs);
export const allStates = () => everyPage((pageToken) => live.cameraStatus({ pageToken }), (a) => a.cameras);
