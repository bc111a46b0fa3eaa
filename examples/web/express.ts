import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Warren } from 'warren'
import { answerTo } from './answers.js'
import { makeReport } from './tasks.js'

export function makeApp(warren: Warren): Express {
  const app = express()
  app.use(express.json())

  app.post('/reports', async (request, response) => {
    const { id } = await warren.send(makeReport, request.body, { confirmTimeoutMs: 5_000 })
    response.status(202).location(`/reports/${id}`).json({ id })
  })

  app.get('/reports/:id', async (request, response) => {
    const state = await warren.state(request.params.id)
    response.status(state === undefined ? 404 : 200).json(state ?? { status: 'unknown, or not begun' })
  })

  const onError: ErrorRequestHandler = (error, _request, response, _next) => {
    const { status, body } = answerTo(error)
    response.status(status).json(body)
  }
  app.use(onError)
  return app
}
