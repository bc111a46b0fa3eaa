/** `app/reports/route.ts` */
import { answerTo } from '../answers.js'
import { makeReport } from '../tasks.js'
import { queue } from './queue.js'

export const runtime = 'nodejs' // Warren opens sockets, which the edge runtime does not have

export async function POST(request: Request): Promise<Response> {
  try {
    const warren = await queue()
    const { id } = await warren.send(makeReport, await request.json(), { confirmTimeoutMs: 5_000 })
    return Response.json({ id }, { status: 202, headers: { location: `/reports/${id}` } })
  } catch (error) {
    const { status, body } = answerTo(error)
    return Response.json(body, { status })
  }
}
