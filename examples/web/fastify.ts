import fastify, { type FastifyInstance } from 'fastify'
import type { Warren } from 'warren'
import { answerTo } from './answers.js'
import { makeReport } from './tasks.js'

export function makeServer(warren: Warren): FastifyInstance {
  const server = fastify()
  server.addHook('onClose', () => warren.close()) // after the requests in progress

  server.post<{ Body: { month: string } }>('/reports', async (request, reply) => {
    const { id } = await warren.send(makeReport, request.body, { confirmTimeoutMs: 5_000 })
    return reply.code(202).header('location', `/reports/${id}`).send({ id })
  })

  server.get<{ Params: { id: string } }>('/reports/:id', async (request, reply) => {
    const state = await warren.state(request.params.id)
    return reply.code(state === undefined ? 404 : 200).send(state ?? { status: 'unknown, or not begun' })
  })

  server.setErrorHandler((error, _request, reply) => {
    const { status, body } = answerTo(error)
    return reply.code(status).send(body)
  })
  return server
}
